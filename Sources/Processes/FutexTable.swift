// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import IntrusiveStructures
import KernelHeap
import Machine
import MemoryUnits

/// Which word of memory a task waits for: of one space, or of memory that several map.
///
/// Linux: `union futex_key`.
struct FutexKey: Equatable, BitwiseCopyable {
  enum Kind: UInt64, BitwiseCopyable {
    /// Of this space only, by the program's word. Linux: FUTEX_PRIVATE_FLAG.
    case ownSpace = 0
    /// Of this space, since the memory is private. Linux: `FUT_OFF_MMSHARED`.
    case space = 1
    /// Linux: `FUT_OFF_INODE`.
    case file = 2
  }

  let object: UInt32
  /// The address, or the offset in the file; what it is in the two bits that are always 0.
  let place: UInt64

  init(_ kind: Kind, object: UInt32, place: UInt64) {
    self.object = object
    self.place = place & ~3 | kind.rawValue
  }

  /// Linux: `futex_hash()`.
  func bucket(of count: Int) -> Int {
    var mixed = place >> 2 ^ UInt64(object) &* 0x9E37_79B9_7F4A_7C15
    mixed ^= mixed >> 29
    mixed = mixed &* 0xBF58_476D_1CE4_E5B9
    return Int(mixed >> 40) & (count - 1)
  }
}

/// What a task keeps of a futex that it waits for. Linux: `struct futex_q`.
struct FutexWait: BitwiseCopyable {
  var key = FutexKey(.ownSpace, object: 0, place: 0)
  /// The word in the task's own memory.
  var address: UInt64 = 0
  /// Wakes with none of these bits pass it by.
  var bits: UInt32 = .max
  var isQueued = false
  /// It waits for a lock that knows its owner, and gets it from who gives it back.
  var isForLock = false
  /// Of such a lock.
  var owner: UInt32 = 0
  var hook = ListHook<Task>()
}

/// The links of a futex bucket.
struct FutexLinks<M: Machine>: ListHooks {
  let heap: ObjectHeap<M>

  func hook(of node: Reference<Task>) -> ListHook<Task> { heap[node].futex.hook }
  func withHook(of node: Reference<Task>, _ body: (inout ListHook<Task>) -> Void) {
    body(&heap[node].futex.hook)
  }
}

/// Who waits for which word: lists by a hash of the key, in the order of arrival.
///
/// Linux: `kernel/futex/core.c`, `struct futex_hash_bucket`.
extension Kernel {
  private var futexLinks: FutexLinks<M> { FutexLinks(heap: heap) }

  private func bucket(of key: FutexKey) -> Int { key.bucket(of: state.value.futexes.count) }

  /// Enters the running task as one that waits for a word.
  func enqueue(
    _ key: FutexKey, at address: UInt64, bits: UInt32, lockOf owner: UInt32? = nil
  ) {
    let task = current
    heap[task].futex.key = key
    heap[task].futex.address = address
    heap[task].futex.bits = bits
    heap[task].futex.isQueued = true
    heap[task].futex.isForLock = owner != nil
    heap[task].futex.owner = owner ?? 0
    if owner != nil { state.value.lockWaiterCount += 1 }
    state.value.futexes[bucket(of: key)].pushBack(task, in: futexLinks)
  }

  /// Takes a task out of its bucket. Linux: `futex_unqueue()`.
  func dequeue(_ task: Reference<Task>) {
    heap[task].futex.isQueued = false
    if heap[task].futex.isForLock { state.value.lockWaiterCount -= 1 }
    state.value.futexes[bucket(of: heap[task].futex.key)].remove(task, in: futexLinks)
  }

  /// The first task that waits for a word, behind another.
  func waiter(
    for key: FutexKey, after task: Reference<Task>? = nil
  ) -> Reference<Task>? {
    var next =
      if let task {
        heap[task].futex.hook.next.reference
      } else {
        state.value.futexes[bucket(of: key)].first
      }
    while let candidate = next, heap[candidate].futex.key != key {
      next = heap[candidate].futex.hook.next.reference
    }
    return next
  }

  /// Lets a task go on that waits for a word. Linux: `futex_wake_mark()`.
  func wakeWaiter(_ task: Reference<Task>) {
    dequeue(task)
    // One whose time has come, or a signal, runs again already, and finds itself woken.
    if heap[task].state == .sleepingInterruptibly { awaken(task, .woken) }
  }

  /// Makes a task wait for another word, behind those who do. Linux: `requeue_futex()`.
  func move(_ task: Reference<Task>, to key: FutexKey) {
    state.value.futexes[bucket(of: heap[task].futex.key)].remove(task, in: futexLinks)
    heap[task].futex.key = key
    state.value.futexes[bucket(of: key)].pushBack(task, in: futexLinks)
  }

  /// Sleeps in a bucket until a wake, a time or a signal; the task is in none afterwards.
  ///
  /// - Context: may sleep.
  func sleepInBucket(until deadline: VirtualTime) -> Task.WakeReason {
    let task = current
    let key = SleepKey.object(task.raw, channel: Channel.futex)
    let reason = suspend(on: key.value, .sleepingInterruptibly, until: deadline)
    guard heap[task].futex.isQueued else { return .woken }
    dequeue(task)
    return reason
  }

  /// Visits all who wait for locks.
  func visitLockWaiters(_ body: (Reference<Task>) -> Bool) -> Reference<Task>? {
    guard state.value.lockWaiterCount > 0 else { return nil }
    for index in 0..<state.value.futexes.count {
      var next = state.value.futexes[index].first
      while let task = next {
        next = heap[task].futex.hook.next.reference
        if heap[task].futex.isForLock, body(task) { return task }
      }
    }
    return nil
  }
}
