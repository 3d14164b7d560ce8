// SPDX-License-Identifier: Apache-2.0

import CProcessor
import Machine
import MemoryUnits

/// What a PVH loader tells. Linux: `struct hvm_start_info`.
struct StartInformation {
  private let bytes: MemoryBlock
  private let memory: DirectMap

  /// - Parameter memory: a map of the memory that the loader writes into: the first GiB.
  init(at address: PhysicalAddress, in memory: DirectMap) {
    self.memory = memory
    bytes = memory.block(at: address, byteCount: ByteCount(56))
  }

  var isValid: Bool { bytes.load(UInt32.self, at: 0) == 0x336E_C578 }

  var memoryMapCount: Int { Int(bytes.load(UInt32.self, at: 48)) }

  /// An entry of the memory map, or nil if it is not RAM.
  func ram(at index: Int) -> MemoryRange? {
    let table = bytes.load(UInt64.self, at: 40)
    let entry = memory.block(
      at: PhysicalAddress(table + UInt64(index) * 24), byteCount: ByteCount(24))
    guard entry.load(UInt32.self, at: 16) == 1 else { return nil }
    return MemoryRange(
      start: PhysicalAddress(entry.load(UInt64.self, at: 0)),
      byteCount: ByteCount(entry.load(UInt64.self, at: 8)))
  }

  /// Where the command line is; a zero byte ends it.
  var commandLine: PhysicalAddress { PhysicalAddress(bytes.load(UInt64.self, at: 24)) }

  /// The number after a name on the command line, in decimal digits, or nil.
  func number(after name: StaticString) -> UInt64? {
    var place = commandLine
    while memory.load(UInt8.self, at: place) != 0 {
      if let rest = skip(name, at: place) { return number(at: rest) }
      place = nextWord(after: place)
    }
    return nil
  }

  private func skip(_ name: StaticString, at place: PhysicalAddress) -> PhysicalAddress? {
    for index in 0..<name.utf8CodeUnitCount {
      // SAFETY: inside the literal.
      let letter = unsafe name.utf8Start[index]
      let byte = memory.load(UInt8.self, at: place + ByteCount(UInt64(index)))
      guard byte == letter else { return nil }
    }
    return place + ByteCount(UInt64(name.utf8CodeUnitCount))
  }

  private func nextWord(after place: PhysicalAddress) -> PhysicalAddress {
    var place = place
    var wasSpace = false
    while true {
      let byte = memory.load(UInt8.self, at: place)
      if byte == 0 || wasSpace && byte != 0x20 { return place }
      wasSpace = byte == 0x20
      place = place + ByteCount(1)
    }
  }

  private func number(at start: PhysicalAddress) -> UInt64? {
    var place = start
    var value: UInt64 = 0
    while true {
      let byte = memory.load(UInt8.self, at: place)
      guard byte >= 0x30, byte <= 0x39 else { return place == start ? nil : value }
      value = value &* 10 &+ UInt64(byte - 0x30)
      place = place + ByteCount(1)
    }
  }
}
