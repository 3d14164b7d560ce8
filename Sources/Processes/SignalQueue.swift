// SPDX-License-Identifier: Apache-2.0

import FileSystems
import IntrusiveStructures
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// What came with a signal that is pending. Linux: `struct sigqueue`.
struct QueuedSignal: HeapObject {
  static var cacheName: StaticString { "sigqueue" }
  static var cacheIndex: Int { 57 }

  let information: SignalInformation
  var hook = ListHook<QueuedSignal>()
}

/// The links among what is queued for one task or process.
struct QueuedSignalLinks<M: Machine>: ListHooks {
  let heap: ObjectHeap<M>

  func hook(of node: Reference<QueuedSignal>) -> ListHook<QueuedSignal> { heap[node].hook }
  func withHook(of node: Reference<QueuedSignal>, _ body: (inout ListHook<QueuedSignal>) -> Void) {
    body(&heap[node].hook)
  }
}

/// Signals that wait to be taken: which, and what came with each in order.
///
/// Linux: `struct sigpending`.
struct PendingSignals: BitwiseCopyable {
  var set = SignalSet.empty
  var queue = LinkedList<Reference<QueuedSignal>>()

  /// Adds a signal; a standard one only once.
  ///
  /// - Parameter entry: nil where there is no memory or no room in the limit for it.
  mutating func add<M: Machine>(
    _ signal: Signal, _ entry: Reference<QueuedSignal>?, in heap: ObjectHeap<M>
  ) {
    set = set.union(SignalSet(signal))
    if let entry { queue.pushBack(entry, in: QueuedSignalLinks(heap: heap)) }
  }

  /// Takes a pending signal, with what came with the first of that number.
  ///
  /// Linux: `collect_signal()`.
  mutating func take<M: Machine>(
    _ signal: Signal, in heap: ObjectHeap<M>
  ) -> Reference<QueuedSignal>? {
    var found: Reference<QueuedSignal>?
    var isLeft = false
    var next = queue.first
    while let entry = next {
      next = heap[entry].hook.next.reference
      guard heap[entry].information.signal == Int32(signal.number) else { continue }
      if found == nil {
        found = entry
      } else {
        isLeft = true
        break
      }
    }
    if let found { queue.remove(found, in: QueuedSignalLinks(heap: heap)) }
    if !isLeft { set = set.subtracting(SignalSet(signal)) }
    return found
  }
}

extension Kernel {
  /// What comes with a signal, where there is room for it.
  ///
  /// - Returns: nil beyond the user's limit, unless the kernel itself sends, or without memory.
  ///
  /// Linux: `__sigqueue_alloc()`.
  func makeQueued(
    _ information: SignalInformation, for process: Reference<Process>, _ origin: SignalOrigin
  ) -> Reference<QueuedSignal>? {
    let limit = heap[process].limits[Resource.pendingSignals.rawValue].current
    guard origin == .kernel || UInt64(state.value.queuedSignalCount) < limit else { return nil }
    guard
      let entry = try? heap.allocate(
        QueuedSignal(information: information))
    else { return nil }
    state.value.queuedSignalCount += 1
    return entry
  }

  func freeQueued(_ entry: Reference<QueuedSignal>) {
    state.value.queuedSignalCount -= 1
    heap.free(entry)
  }

  /// Takes signals out of one queue. Linux: `flush_sigqueue_mask()`.
  func remove(_ signals: SignalSet, from pending: inout PendingSignals) {
    var left = SignalSet(bits: signals.bits & pending.set.bits)
    while let signal = left.first {
      while pending.set.contains(signal) {
        if let entry = pending.take(signal, in: heap) { freeQueued(entry) }
      }
      left = left.subtracting(SignalSet(signal))
    }
  }

  /// Forgets all that is pending for a task that goes.
  func flushSignals(of task: Reference<Task>) {
    var pending = heap[task].pending
    remove(SignalSet(bits: .max), from: &pending)
    heap[task].pending = pending
  }

  /// Forgets all that is pending for a process that goes.
  func flushSignals(of process: Reference<Process>) {
    var pending = heap[process].pending
    remove(SignalSet(bits: .max), from: &pending)
    heap[process].pending = pending
  }
}

/// Who sends a signal. Linux: `SEND_SIG_PRIV`, and `legacy_queue()`'s exceptions.
enum SignalOrigin: BitwiseCopyable {
  /// The kernel: it always has room.
  case kernel
  /// `kill` and `tgkill`: without room the signal comes without what goes with it.
  case kill
  /// `sigqueue`: without room it fails.
  case queue
}
