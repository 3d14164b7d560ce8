// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryEvents
import MemoryUnits

/// The latest records of each CPU, in rings that nobody reads: so that a record costs about what
/// it costs in the kernel's image.
@safe
struct NativeLog: BitwiseCopyable, @unchecked Sendable {
  private let rings: UnsafeMutableRawPointer

  /// - Parameter rings: zeros, `byteCount` for each CPU.
  init(_ rings: MemoryBlock) {
    precondition(rings.byteCount >= Self.byteCount * CPUNumber.maximumCount, "rings too small")
    // SAFETY: only kept; nothing else uses the block.
    unsafe self.rings = rings.unsafeBase
  }

  /// The latest that are kept of a CPU.
  private static var recordCount: Int { 1 << 10 }
  /// The count of records has a cache line of its own, before them.
  private static var headerByteCount: Int { 64 }
  static var byteCount: Int { 1 << 16 }

  func count(of cpu: CPUNumber) -> UInt64 {
    // SAFETY: there is a ring for each number of a CPU, and threads have no others.
    unsafe ring(of: cpu).load(as: UInt64.self)
  }

  @inline(__always)
  func append(_ event: MemoryEvent, of cpu: CPUNumber) {
    // SAFETY: the ring is this CPU's, and the slot is cut to its size.
    let ring = unsafe ring(of: cpu)
    let count = unsafe ring.load(as: UInt64.self)
    let slot = Int(truncatingIfNeeded: count) & (Self.recordCount &- 1)
    // SAFETY: a record is 32 plain bytes.
    var words = unsafe unsafeBitCast(event, to: InlineArray<4, UInt64>.self)
    words[0] = count
    // SAFETY: as above.
    unsafe (ring + (Self.headerByteCount &+ slot &* MemoryEvent.byteCount)).storeBytes(
      of: words, as: InlineArray<4, UInt64>.self)
    // SAFETY: as above.
    unsafe ring.storeBytes(of: count &+ 1, as: UInt64.self)
  }

  @inline(__always)
  private func ring(of cpu: CPUNumber) -> UnsafeMutableRawPointer {
    // SAFETY: as in `count`.
    unsafe rings + (Int(cpu.value) &* Self.byteCount)
  }
}
