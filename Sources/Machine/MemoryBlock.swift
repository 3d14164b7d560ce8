// SPDX-License-Identifier: Apache-2.0

/// A run of bytes that the machine handed out and that lives as long as the machine does.
///
/// Every access is checked against the run's end, in release too. This file and its neighbours
/// `Resident`, `ResidentArray` and `Locked` are where the core's values meet bytes.
@safe
public struct MemoryBlock: BitwiseCopyable, @unchecked Sendable {
  public let byteCount: Int
  let base: UnsafeMutableRawPointer

  /// - Parameter base: memory that stays valid, and is reached by nothing else, for as long as
  ///   the machine lives.
  public init(unsafeBase base: UnsafeMutableRawPointer, byteCount: Int) {
    // SAFETY: only kept; the caller answers for it, by the label.
    unsafe self.base = base
    self.byteCount = byteCount
  }

  /// Where the bytes are, for who keeps objects in them (`ObjectHeap`).
  public var unsafeBase: UnsafeMutableRawPointer {
    // SAFETY: only handed on; the reader answers for it, by the name.
    unsafe base
  }

  /// The bytes from an offset on.
  public func part(from offset: Int, byteCount count: Int) -> MemoryBlock {
    check(offset, count)
    // SAFETY: inside this block, as just checked.
    return unsafe MemoryBlock(unsafeBase: base + offset, byteCount: count)
  }

  /// Reads a value of a plain type at a byte offset, aligned or not.
  public func load<Value: BitwiseCopyable>(_ type: Value.Type, at offset: Int) -> Value {
    check(offset, MemoryLayout<Value>.size)
    // SAFETY: inside this block; a plain type has no invalid bytes that we store.
    return unsafe base.loadUnaligned(fromByteOffset: offset, as: type)
  }

  /// Writes a value of a plain type at a byte offset, aligned or not.
  public func store<Value: BitwiseCopyable>(_ value: Value, at offset: Int) {
    check(offset, MemoryLayout<Value>.size)
    // SAFETY: inside this block.
    unsafe base.storeBytes(of: value, toByteOffset: offset, as: Value.self)
  }

  /// Writes zeros over all of it.
  public func clear() {
    // SAFETY: the block's own extent.
    unsafe base.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
  }

  /// Writes a byte over all of it. Linux: `memset()`.
  public func fill(_ byte: UInt8) {
    // SAFETY: the block's own extent.
    unsafe base.initializeMemory(as: UInt8.self, repeating: byte, count: byteCount)
  }

  /// Writes zeros over a part.
  public func clear(from offset: Int, byteCount count: Int) {
    part(from: offset, byteCount: count).clear()
  }

  /// Copies bytes from another block; the two may overlap.
  public func copy(
    from source: MemoryBlock, at sourceOffset: Int, to offset: Int, byteCount count: Int
  ) {
    source.check(sourceOffset, count)
    check(offset, count)
    // SAFETY: both ranges were checked against their blocks.
    unsafe (base + offset).copyMemory(from: source.base + sourceOffset, byteCount: count)
  }

  /// Reads bytes through a span.
  public func withSpan<Result, Failure: Error>(
    _ body: (RawSpan) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    // SAFETY: the span lives inside the call, the block longer.
    let bytes = unsafe UnsafeRawBufferPointer(start: base, count: byteCount)
    return try unsafe body(bytes.bytes)
  }

  @inline(__always)
  func check(_ offset: Int, _ count: Int) {
    precondition(offset >= 0 && count >= 0 && offset <= byteCount &- count, "outside its block")
  }
}

/// Lends the bytes of a plain local value as a block, for as long as the body runs.
///
/// - Precondition: the body lets no copy of the block outlive it.
public func withMemoryBlock<Value: BitwiseCopyable, Result, Failure: Error>(
  over value: inout Value, _ body: (MemoryBlock) throws(Failure) -> Result
) throws(Failure) -> Result {
  // SAFETY: the value lives as long as the body runs, and nobody else reaches it.
  try unsafe withUnsafeMutableBytes(of: &value) {
    (bytes: UnsafeMutableRawBufferPointer) throws(Failure) -> Result in
    guard let base = bytes.baseAddress else { preconditionFailure("a value without bytes") }
    let block = unsafe MemoryBlock(unsafeBase: base, byteCount: bytes.count)
    return try body(block)
  }
}
