// SPDX-License-Identifier: Apache-2.0

import LinuxABI
import Machine
import MemoryEvents
import MemoryManagement
import MemoryUnits
import PageFrames

/// The boot words for contiguous areas: `cma=size[@base[-limit]]`, once for each area.
///
/// Linux: `early_cma()`, `memparse()`.
struct ContiguousWords: BitwiseCopyable {
  private let arguments: BootArguments

  init(_ arguments: BootArguments) { self.arguments = arguments }

  static var prefix: StaticString { "cma=" }

  static func isOne(_ word: MemoryBlock) -> Bool {
    word.byteCount >= 4 && word.holds(text: prefix, at: 0, byteCount: 4)
  }

  /// Adds the areas to what a machine is started with.
  ///
  /// - Returns: the first word that spells none.
  func add(to description: inout BootDescription) -> RefusedWord? {
    var area = 0
    for index in 0..<arguments.count(of: .bootWord) {
      guard let word = arguments.string(.bootWord, index), Self.isOne(word) else { continue }
      guard area < description.contiguousAreas.count else { return refusal(index, .E2BIG) }
      guard let request = Self.request(word) else { return refusal(index, .EINVAL) }
      description.contiguousAreas[area] = request
      area += 1
    }
    return nil
  }

  /// The word of an area that the machine cannot have.
  func refusal(of area: MemoryCore<some Machine>.RefusedArea) -> RefusedWord? {
    var place = 0
    for index in 0..<arguments.count(of: .bootWord) {
      guard let word = arguments.string(.bootWord, index), Self.isOne(word) else { continue }
      if place == area.index { return refusal(index, Self.error(area.reason)) }
      place += 1
    }
    return nil
  }

  private func refusal(_ index: Int, _ error: Errno) -> RefusedWord {
    RefusedWord(
      tag: ArgumentTag.bootWord.rawValue, error: error.rawValue, index: UInt32(index))
  }

  private static func error(_ reason: ContiguousAreaError) -> Errno {
    switch reason {
    case .empty, .misaligned: .EINVAL
    case .outsideMemory: .EFAULT
    case .overlapping: .EEXIST
    case .acrossZones: .EXDEV
    case .noRoom: .ENOSPC
    case .tooMany: .E2BIG
    }
  }

  private static func request(_ word: MemoryBlock) -> ContiguousAreaRequest? {
    var place = 4
    guard let size = number(in: word, &place) else { return nil }
    var request = ContiguousAreaRequest(size: ByteCount(size))
    guard place < word.byteCount else { return request }
    guard take(0x40, in: word, &place), let base = number(in: word, &place) else { return nil }
    request.base = PhysicalAddress(base)
    guard place < word.byteCount else { return request }
    guard take(0x2D, in: word, &place), let limit = number(in: word, &place),
      place == word.byteCount
    else { return nil }
    request.limit = PhysicalAddress(limit)
    return request
  }

  private static func take(_ byte: UInt8, in word: MemoryBlock, _ place: inout Int) -> Bool {
    guard place < word.byteCount, word.load(UInt8.self, at: place) == byte else { return false }
    place += 1
    return true
  }

  /// A number in decimal or hexadecimal with one of the letters K, M, G.
  private static func number(in word: MemoryBlock, _ place: inout Int) -> UInt64? {
    var base: UInt64 = 10
    if place + 2 < word.byteCount, word.load(UInt8.self, at: place) == 0x30,
      word.load(UInt8.self, at: place + 1) | 0x20 == 0x78
    {
      base = 16
      place += 2
    }
    let start = place
    var value: UInt64 = 0
    while place < word.byteCount, let digit = digit(word.load(UInt8.self, at: place), base) {
      guard value < 1 << 48 else { return nil }
      value = value * base + digit
      place += 1
    }
    guard place > start, value < 1 << 48 else { return nil }
    guard place < word.byteCount else { return value }
    let shift: UInt64
    switch word.load(UInt8.self, at: place) | 0x20 {
    case 0x6B: shift = 10
    case 0x6D: shift = 20
    case 0x67: shift = 30
    default: return value
    }
    place += 1
    return (value << shift) >> shift == value ? value << shift : nil
  }

  private static func digit(_ byte: UInt8, _ base: UInt64) -> UInt64? {
    if byte >= 0x30, byte <= 0x39 { return UInt64(byte - 0x30) }
    let letter = byte | 0x20
    guard base == 16, letter >= 0x61, letter <= 0x66 else { return nil }
    return UInt64(letter - 0x61 + 10)
  }
}
