// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures

/// A reference to a value that is reached only while its lock is held.
///
/// Linux: a structure with its `spinlock_t`; the name and verb are those of Swift's `Mutex`.
@safe
public struct Locked<Value: ~Copyable>: BitwiseCopyable, @unchecked Sendable {
  struct Contents: ~Copyable {
    let lock: SpinLock
    var value: Value
  }

  let pointer: UnsafeMutablePointer<Contents>

  public static var byteCount: Int { MemoryLayout<Contents>.size }

  /// Places a value with its lock at the start of a block.
  public init(placing value: consuming Value, rank: LockRank, in block: MemoryBlock) {
    block.check(0, MemoryLayout<Contents>.size)
    // SAFETY: large enough, as checked; blocks are aligned by their giver.
    unsafe pointer = block.base.bindMemory(to: Contents.self, capacity: 1)
    unsafe pointer.initialize(to: Contents(lock: SpinLock(rank: rank), value: value))
  }

  /// Runs the body with the lock held.
  ///
  /// - Context: any; the body may not sleep, nor take a lock of the same or a lower rank.
  public func withLock<Result: ~Copyable, Failure: Error>(
    _ body: (inout Value) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    // SAFETY: initialised at creation; the lock keeps others out until it is released.
    unsafe pointer.pointee.lock.acquire()
    defer { unsafe pointer.pointee.lock.release() }
    return try unsafe body(&pointer.pointee.value)
  }

  /// Runs the body if the lock is free, otherwise returns nil. Linux: `spin_trylock()`.
  public func withLockIfFree<Result: ~Copyable, Failure: Error>(
    _ body: (inout Value) throws(Failure) -> Result
  ) throws(Failure) -> Result? {
    // SAFETY: as in `withLock`.
    guard unsafe pointer.pointee.lock.tryAcquire() else { return nil }
    defer { unsafe pointer.pointee.lock.release() }
    return try unsafe body(&pointer.pointee.value)
  }
}
