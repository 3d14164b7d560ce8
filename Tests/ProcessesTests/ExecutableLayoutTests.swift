// SPDX-License-Identifier: Apache-2.0

import LinuxABI
import MemoryUnits
import Testing

@testable import Processes

/// Headers are made byte by byte, so that damage can be done to any of them.
@Suite struct ExecutableLayoutTests {
  static let userLimit: UInt64 = 0x7FFF_FFFF_F000

  /// A file of 8,192 bytes: code in its first page, data that goes on beyond the file's end.
  static func smallProgram() -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 8192)
    put(0x464C_457F, 4, at: 0, in: &bytes)
    bytes[4] = 2
    bytes[5] = 1
    bytes[6] = 1
    put(2, 2, at: 16, in: &bytes)
    put(62, 2, at: 18, in: &bytes)
    put(1, 4, at: 20, in: &bytes)
    put(0x40_0100, 8, at: 24, in: &bytes)
    put(64, 8, at: 32, in: &bytes)
    put(64, 2, at: 52, in: &bytes)
    put(56, 2, at: 54, in: &bytes)
    put(2, 2, at: 56, in: &bytes)
    segment(at: 64, flags: 5, offset: 0, address: 0x40_0000, file: 4096, memory: 4096, &bytes)
    segment(
      at: 120, flags: 6, offset: 4096, address: 0x40_1000, file: 4096, memory: 0x9000, &bytes)
    return bytes
  }

  static func put(_ value: UInt64, _ count: Int, at place: Int, in bytes: inout [UInt8]) {
    for index in 0..<count {
      bytes[place + index] = UInt8(truncatingIfNeeded: value >> (8 * UInt64(index)))
    }
  }

  static func segment(
    at place: Int, flags: UInt64, offset: UInt64, address: UInt64, file: UInt64, memory: UInt64,
    _ bytes: inout [UInt8]
  ) {
    put(1, 4, at: place, in: &bytes)
    put(flags, 4, at: place + 4, in: &bytes)
    put(offset, 8, at: place + 8, in: &bytes)
    put(address, 8, at: place + 16, in: &bytes)
    put(file, 8, at: place + 32, in: &bytes)
    put(memory, 8, at: place + 40, in: &bytes)
    put(4096, 8, at: place + 48, in: &bytes)
  }

  /// What the kernel does with a file's bytes; the segments that it would map.
  static func read(_ bytes: [UInt8]) throws(Errno) -> (ExecutableLayout, [SegmentHeader]) {
    let header: ExecutableHeader = try load(bytes, at: 0)
    var layout = try ExecutableLayout(
      header, fileByteCount: UInt64(bytes.count), userLimit: userLimit)
    var segments: [SegmentHeader] = []
    for index in 0..<layout.programHeaderCount {
      let segment: SegmentHeader = try load(
        bytes, at: Int(layout.programHeaderOffset) + index * 56)
      try layout.add(segment)
      if segment.type == SegmentHeader.load, segment.memoryByteCount > 0 {
        segments.append(segment)
      }
    }
    try layout.check()
    return (layout, segments)
  }

  static func load<Value: BitwiseCopyable>(
    _ bytes: [UInt8], at offset: Int
  ) throws(Errno) -> Value {
    guard offset + MemoryLayout<Value>.size <= bytes.count else { throw .ENOEXEC }
    return bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: Value.self) }
  }

  @Test func `a small program is laid out as its headers say`() throws {
    let (layout, segments) = try Self.read(Self.smallProgram())
    #expect(layout.entry == 0x40_0100)
    #expect(layout.lowest == 0x40_0000)
    #expect(layout.highest == 0x40_A000)
    #expect(layout.byteCount == 0xA000)
    #expect(layout.programHeaderAddress == 0x40_0040)
    #expect(layout.bias(near: 0x5555_5555_4000) == 0)
    #expect(segments.count == 2)
  }

  @Test func `a position-free program moves to where it is put`() throws {
    var bytes = Self.smallProgram()
    bytes[16] = 3
    let (layout, _) = try Self.read(bytes)
    #expect(layout.lowest &+ layout.bias(near: 0x5555_5555_4000) == 0x5555_5555_4000)
  }

  @Test func `a file that ends anywhere too early is refused`() {
    let whole = Self.smallProgram()
    for length in 0..<whole.count {
      #expect(throws: Errno.ENOEXEC, "\(length) bytes") {
        try Self.read(Array(whole[..<length]))
      }
    }
  }

  @Test func `whatever the headers hold, what is accepted lies in the file and in user space`() {
    var generator = SystemRandomNumberGenerator()
    let seed = UInt64.random(in: 1...UInt64.max, using: &generator)
    var random = SeededNumbers(state: seed)
    var acceptedCount = 0
    for _ in 0..<20_000 {
      var bytes = Self.smallProgram()
      for _ in 0...Int.random(in: 0...3, using: &random) {
        let place = Int.random(in: 0..<176, using: &random)
        bytes[place] = UInt8.random(in: 0...255, using: &random)
      }
      guard let (layout, segments) = try? Self.read(bytes) else { continue }
      acceptedCount += 1
      #expect(layout.lowest < layout.highest && layout.highest <= Self.userLimit, "seed \(seed)")
      for segment in segments {
        let isInFile = segment.fileOffset + segment.fileByteCount <= UInt64(bytes.count)
        let isInSpace = segment.address + segment.memoryByteCount <= Self.userLimit
        let isAligned = segment.address % 4096 == segment.fileOffset % 4096
        #expect(isInFile && isInSpace && isAligned, "seed \(seed)")
        #expect(segment.fileByteCount <= segment.memoryByteCount, "seed \(seed)")
      }
    }
    #expect(acceptedCount > 0 && acceptedCount < 20_000)
  }

  @Test(arguments: [(4, 1), (5, 2), (16, 1), (18, 3), (54, 32), (56, 0)])
  func `programs of other machines and forms are refused`(place: Int, value: UInt8) {
    var bytes = Self.smallProgram()
    bytes[place] = value
    #expect(throws: Errno.ENOEXEC) { try Self.read(bytes) }
  }
}

/// Numbers from a seed (SplitMix64).
struct SeededNumbers: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}
