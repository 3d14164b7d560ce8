// SPDX-License-Identifier: Apache-2.0

import MemoryUnits

/// The physical memory that the kernel reaches at a fixed offset, from address 0 up to a limit.
///
/// On x86-64 that is all of RAM; on i686 the first part of it (lowmem). Page tables and kernel
/// objects lie below the limit; other frames are reached with `Machine.withBytes(of:)`.
///
/// Linux: the direct map, `__va()` and `__pa()`.
public struct DirectMap: BitwiseCopyable, Sendable {
  let memory: MemoryBlock

  /// - Parameter memory: the bytes of the physical addresses from 0 up to the limit.
  public init(_ memory: MemoryBlock) { self.memory = memory }

  /// The first physical address that is not in it.
  public var limit: PhysicalAddress { PhysicalAddress(UInt64(memory.byteCount)) }

  /// The bytes from a physical address on. Linux: `__va()`.
  public func block(at address: PhysicalAddress, byteCount: ByteCount) -> MemoryBlock {
    memory.part(from: Int(address.value), byteCount: Int(byteCount.value))
  }

  /// The bytes of a frame. Linux: `page_address()`.
  ///
  /// - Precondition: the frame lies below the limit.
  public func frame(_ frame: PageFrameNumber) -> MemoryBlock {
    block(at: frame.address, byteCount: ByteCount(PageSize.base.bytes))
  }

  /// The words of a frame, for page tables, with one check.
  ///
  /// - Precondition: the frame lies below the limit.
  public func words(of frame: PageFrameNumber) -> FrameWords {
    precondition(frame.value < memory.byteCount &>> 12, "a frame beyond the direct map")
    // SAFETY: a whole frame from there on is in the memory, as just checked.
    return unsafe FrameWords(
      unsafeBase: memory.base + (Int(truncatingIfNeeded: frame.value) &<< 12))
  }

  /// Reads a plain value, at any alignment.
  public func load<Value: BitwiseCopyable>(
    _ type: Value.Type, at address: PhysicalAddress
  ) -> Value {
    memory.load(type, at: Int(address.value))
  }

  /// Writes a plain value, at any alignment.
  public func store<Value: BitwiseCopyable>(_ value: Value, at address: PhysicalAddress) {
    memory.store(value, at: Int(address.value))
  }
}
