// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import FileSystems
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// What a thread leaves in its program's memory when it ends: locks without an owner, and a word
/// that says that it is gone.
///
/// Linux: `mm_release()`, `exit_robust_list()`.
extension Kernel {
  /// Linux: `set_robust_list`.
  func setRobustList(_ call: CallArguments) throws(Errno) -> UInt64 {
    guard call.second == RobustListHead.byteCount else { throw .EINVAL }
    heap[current].robustList = call.first
    return 0
  }

  /// Linux: `get_robust_list`.
  func robustList(_ call: CallArguments) throws(Errno) -> UInt64 {
    let number = Int32(truncatingIfNeeded: call.first)
    var task = current
    if number != 0 {
      guard number > 0, let found = findTask(UInt32(number)) else { throw .ESRCH }
      task = found
    }
    try checkRight(toInspect: task)
    try store(RobustListHead.byteCount, at: call.third)
    try store(heap[task].robustList, at: call.second)
    return 0
  }

  /// Gives back locks, and tells who waits for the thread's end.
  ///
  /// - Context: the task's own, in its program's memory; may sleep.
  func releaseWords(of task: Reference<Task>) {
    releaseRobustLocks(of: task)
    handOverLocks(of: task)
    clearChildIdentifier(task)
  }

  /// Linux: `clear_child_tid`, for CLONE_CHILD_CLEARTID.
  private func clearChildIdentifier(_ task: Reference<Task>) {
    let address = heap[task].clearIdentifierAt
    guard address.value != 0 else { return }
    heap[task].clearIdentifierAt = VirtualAddress(0)
    let process = heap[task].process
    guard let space = heap[process].space.reference else { return }
    if heap[space].users > 1 || heap[process].liveTaskCount > 1 {
      try? spaces.store(UInt32(0), at: address, in: space)
      wakeOne(atSharedWord: address.value)
    }
  }

  private func releaseRobustLocks(of task: Reference<Task>) {
    let place = heap[task].robustList
    heap[task].robustList = 0
    guard place != 0, heap[heap[task].process].space.reference != nil else { return }
    guard let head = found(RobustListHead.self, at: place) else { return }
    var entry = head.first
    var count = 0
    // The lowest bit tells a lock that knows its owner by the kernel.
    while entry & ~1 != place, count < RobustListHead.limit {
      let next = found(UInt64.self, at: entry & ~1)
      if entry & ~1 != head.pending & ~1 {
        guard releaseLock(entry, head.offset, isPending: false, of: task) else { return }
      }
      guard let next else { return }
      entry = next
      count += 1
    }
    if head.pending & ~1 != 0 {
      _ = releaseLock(head.pending, head.offset, isPending: true, of: task)
    }
  }

  private func found<Value: BitwiseCopyable>(_ type: Value.Type, at address: UInt64) -> Value? {
    do {
      let value: Value = try load(at: address)
      return value
    } catch {
      return nil
    }
  }

  /// Marks one lock as its owner's who died; false if its word cannot be. Linux:
  /// `handle_futex_death()`.
  private func releaseLock(
    _ entry: UInt64, _ offset: Int64, isPending: Bool, of task: Reference<Task>
  ) -> Bool {
    let address = entry & ~1 &+ UInt64(bitPattern: offset)
    let knowsOwner = entry & 1 != 0
    guard address & 3 == 0 else { return false }
    let own = heap[task].identifier
    guard let found = found(UInt32.self, at: address) else { return false }
    if isPending, !knowsOwner, found & FutexWord.owner == 0 {
      wakeOne(atSharedWord: address)
      return true
    }
    guard found & FutexWord.owner == own else { return true }
    var isOwn = false
    let old = try? spaces.update(wordAt: VirtualAddress(address), in: space) { old in
      isOwn = old & FutexWord.owner == own
      return isOwn ? old & FutexWord.waiters | FutexWord.ownerDied : nil
    }
    guard let old else { return false }
    if isOwn, !knowsOwner, old & FutexWord.waiters != 0 { wakeOne(atSharedWord: address) }
    return true
  }
}
