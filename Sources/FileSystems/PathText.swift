// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// One name of a path: bytes of a buffer, without slashes.
public struct FileName: BitwiseCopyable {
  let block: MemoryBlock
  let offset: Int
  let byteCount: Int

  func equals(_ text: StaticString) -> Bool {
    block.holds(text: text, at: offset, byteCount: byteCount)
  }

  /// The number that the name spells in decimal, without leading zeros; nil if it is none.
  var number: UInt32? {
    guard byteCount > 0, byteCount <= 10 else { return nil }
    var value: UInt64 = 0
    for index in 0..<byteCount {
      let digit = block.load(UInt8.self, at: offset + index)
      guard digit >= 0x30, digit <= 0x39, !(index == 0 && digit == 0x30 && byteCount > 1)
      else { return nil }
      value = value * 10 + UInt64(digit - 0x30)
    }
    return UInt32(exactly: value)
  }

  /// Linux: `NAME_MAX`.
  static var maximumByteCount: Int { 255 }
}

/// A path in a buffer of two pages, at the buffer's end, so that a link's text can be put before
/// what is left of it.
public struct PathText: BitwiseCopyable {
  let block: MemoryBlock
  var start: Int

  var end: Int { block.byteCount }
  public var byteCount: Int { end - start }
  public var isEmpty: Bool { start == end }
  public var isAbsolute: Bool { !isEmpty && block.load(UInt8.self, at: start) == Self.slash }

  /// The bytes, for who wants to keep them.
  public var bytes: MemoryBlock { block.part(from: start, byteCount: byteCount) }

  /// Removes slashes from the front; says whether there were any.
  @discardableResult
  mutating func skipSlashes() -> Bool {
    let before = start
    while start < end, block.load(UInt8.self, at: start) == Self.slash { start += 1 }
    return start != before
  }

  /// Removes the first name; what follows begins with a slash or is empty.
  mutating func takeName() -> FileName {
    let first = start
    while start < end, block.load(UInt8.self, at: start) != Self.slash { start += 1 }
    return FileName(block: block, offset: first, byteCount: start - first)
  }

  /// Whether nothing but slashes is left.
  var isAtEnd: Bool {
    var rest = self
    rest.skipSlashes()
    return rest.isEmpty
  }

  /// FNV-1a of the bytes: names a path in the log.
  var digest: UInt64 {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for place in start..<end {
      hash = (hash ^ UInt64(block.load(UInt8.self, at: place))) &* 0x100_0000_01B3
    }
    return hash
  }

  static var slash: UInt8 { 0x2F }
  /// With the end mark. Linux: `PATH_MAX`.
  static var maximumByteCount: Int { 4096 }
  static var bufferOrder: Order { Order(1) }
}

extension FileSystems {
  /// Copies a path from a program and runs the body with it.
  ///
  /// - Throws: EFAULT, ENAMETOOLONG, ENOMEM, and what the body throws.
  /// - Context: may sleep.
  ///
  /// Linux: `getname()`.
  public func withPath<Result>(
    at address: VirtualAddress, in space: Reference<AddressSpace>,
    _ body: (PathText) throws(Errno) -> Result
  ) throws(Errno) -> Result {
    try withPathBuffer { (block) throws(Errno) in
      let input = block.part(from: 0, byteCount: PathText.maximumByteCount)
      let count: Int
      do throws(MemoryError) {
        count = try spaces.copyInString(from: address, in: space, to: input)
      } catch {
        throw error == .overflow ? .ENAMETOOLONG : Errno(error)
      }
      let start = block.byteCount - count
      block.copy(from: block, at: 0, to: start, byteCount: count)
      return try body(PathText(block: block, start: start))
    }
  }

  /// Runs the body with a path of so many bytes of a program, which may lack its end.
  ///
  /// - Throws: EFAULT, ENAMETOOLONG, ENOMEM, and what the body throws.
  public func withPath<Result>(
    at address: VirtualAddress, byteCount: Int, in space: Reference<AddressSpace>,
    _ body: (PathText) throws(Errno) -> Result
  ) throws(Errno) -> Result {
    guard byteCount < PathText.maximumByteCount else { throw .ENAMETOOLONG }
    return try withPathBuffer { (block) throws(Errno) in
      let start = block.byteCount - byteCount
      let source = TransferMemory.program(address, in: space)
      guard copy(from: source, byteCount: byteCount, to: block, at: start) == byteCount else {
        throw .EFAULT
      }
      // As in a path from a program, for `noteMissing`.
      block.copy(from: block, at: start, to: 0, byteCount: byteCount)
      return try body(PathText(block: block, start: start))
    }
  }

  /// Runs the body with a path that the kernel has.
  ///
  /// - Throws: ENAMETOOLONG, ENOMEM, and what the body throws.
  public func withPath<Result>(
    copying bytes: MemoryBlock, _ body: (PathText) throws(Errno) -> Result
  ) throws(Errno) -> Result {
    guard bytes.byteCount < PathText.maximumByteCount else { throw .ENAMETOOLONG }
    return try withPathBuffer { (block) throws(Errno) in
      let start = block.byteCount - bytes.byteCount
      block.copy(from: bytes, at: 0, to: start, byteCount: bytes.byteCount)
      // As in a path from a program, for `noteMissing`.
      block.copy(from: bytes, at: 0, to: 0, byteCount: bytes.byteCount)
      return try body(PathText(block: block, start: start))
    }
  }

  /// Runs the body with a path that stands in the source.
  public func withPath<Result>(
    _ text: StaticString, _ body: (PathText) throws(Errno) -> Result
  ) throws(Errno) -> Result {
    try withPathBuffer { (block) throws(Errno) in
      let start = block.byteCount - text.utf8CodeUnitCount
      block.store(text: text, at: start)
      return try body(PathText(block: block, start: start))
    }
  }

  /// Runs the body with a path and a text before it.
  ///
  /// - Throws: ENAMETOOLONG, ENOMEM, and what the body throws.
  public func withPath<Result>(
    joining text: StaticString, _ path: PathText, _ body: (PathText) throws(Errno) -> Result
  ) throws(Errno) -> Result {
    try withPathBuffer { (block) throws(Errno) in
      let start = block.byteCount - path.byteCount - text.utf8CodeUnitCount
      guard start >= 0 else { throw .ENAMETOOLONG }
      block.store(text: text, at: start)
      block.copy(
        from: path.block, at: path.start, to: block.byteCount - path.byteCount,
        byteCount: path.byteCount)
      return try body(PathText(block: block, start: start))
    }
  }

  /// Runs the body with the name of a descriptor's file, or with a path from there.
  ///
  /// - Throws: ENAMETOOLONG, ENOMEM, and what the body throws. Linux: `bprm->fdpath`.
  public func withPath<Result>(
    below descriptor: UInt32, _ path: PathText, _ body: (PathText) throws(Errno) -> Result
  ) throws(Errno) -> Result {
    try withPathBuffer { (block) throws(Errno) in
      var start = block.byteCount - path.byteCount
      block.copy(from: path.block, at: path.start, to: start, byteCount: path.byteCount)
      if !path.isEmpty {
        start -= 1
        block.store(PathText.slash, at: start)
      }
      var rest = descriptor
      repeat {
        start -= 1
        block.store(UInt8(0x30 + rest % 10), at: start)
        rest /= 10
      } while rest > 0
      let folder: StaticString = "/dev/fd/"
      start -= folder.utf8CodeUnitCount
      block.store(text: folder, at: start)
      guard block.byteCount - start < PathText.maximumByteCount else { throw .ENAMETOOLONG }
      return try body(PathText(block: block, start: start))
    }
  }

  func withPathBuffer<Result>(
    _ body: (MemoryBlock) throws(Errno) -> Result
  ) throws(Errno) -> Result {
    let first = try allocateFrames(PathText.bufferOrder)
    defer { freeFrames(first, PathText.bufferOrder) }
    return try body(
      machine.directMap.block(
        at: first.address, byteCount: PathText.bufferOrder.pageCount.bytes))
  }
}
