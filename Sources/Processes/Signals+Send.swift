// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures
import KernelHeap
import LinuxABI
import Machine
import MemoryEvents
import MemoryUnits

/// Sending signals: what becomes pending, and whom that wakes.
///
/// Linux: `kernel/signal.c`, `__send_signal_locked()`, `complete_signal()`.
extension Kernel {
  /// Sends a signal to a process as a whole.
  ///
  /// - Context: any; does not sleep.
  func send(_ signal: Signal, to process: Reference<Process>, _ record: SignalState.Record) {
    guard heap[process].state == .alive else { return }
    let task = target(of: signal, in: process)
    guard prepare(signal, for: process, task: task, record) else { return }
    heap[process].pending = heap[process].pending.union(SignalSet(signal))
    notice(signal, task)
    if signal == .SIGKILL { endOfKilled(process) }
  }

  /// The thread that takes a signal of its process: the leader if it wants it, or the first that
  /// does; the leader if none does. Linux: `complete_signal()`, `wants_signal()`.
  private func target(of signal: Signal, in process: Reference<Process>) -> Reference<Task> {
    var next = heap[process].tasks.first
    while let task = next {
      if heap[task].state != .dead, !heap[task].blocked.contains(signal) { return task }
      next = heap[task].threadNext.reference
    }
    return leader(of: process)
  }

  /// Makes all threads of a killed process look.
  private func endOfKilled(_ process: Reference<Process>) {
    var next = heap[process].tasks.first
    while let task = next {
      next = heap[task].threadNext.reference
      if task != current { interruptForEnd(task) }
    }
  }

  /// Sends a signal to one task.
  func send(_ signal: Signal, to task: Reference<Task>, _ record: SignalState.Record) {
    let process = heap[task].process
    guard heap[process].state == .alive, heap[task].state != .dead else { return }
    guard prepare(signal, for: process, task: task, record) else { return }
    heap[task].pending = heap[task].pending.union(SignalSet(signal))
    notice(signal, task)
  }

  /// Sends the running task a signal that it cannot escape: a fault of its own.
  ///
  /// Linux: `force_sig_info()`.
  func force(_ signal: Signal, code: Int32, address: UInt64) {
    let task = current
    let process = process
    if let signals = heap[process].signals.reference {
      let isBlocked = heap[task].blocked.contains(signal)
      let ignored = heap[signals].action(of: signal).handler == SignalAction.ignoringHandler
      if isBlocked || ignored {
        heap[signals].setAction(of: signal, to: SignalAction())
        heap[task].blocked = heap[task].blocked.subtracting(SignalSet(signal))
      }
      heap[signals].setRecord(
        of: signal, to: SignalState.Record(code: code, first: address, second: 0))
    }
    record(.signalSent, detail: UInt16(signal.number), owner: heap[process].identifier)
    heap[task].pending = heap[task].pending.union(SignalSet(signal))
    notice(signal, task)
  }

  /// Enters what comes with a signal, and its effects on stops; false if it does nothing.
  private func prepare(
    _ signal: Signal, for process: Reference<Process>, task: Reference<Task>,
    _ record: SignalState.Record
  ) -> Bool {
    // Init cannot be killed, nor does it handle any signal.
    guard process != state.value.initProcess else { return false }
    guard let signals = heap[process].signals.reference else { return false }
    self.record(.signalSent, detail: UInt16(signal.number), owner: heap[process].identifier)
    if signal == .SIGCONT {
      forget(SignalSet.stopping, of: process)
      resume(process)
    } else if SignalSet.stopping.contains(signal) {
      forget(SignalSet(.SIGCONT), of: process)
    } else if signal == .SIGKILL {
      resumeStopped(process)
    }
    if heap[signals].ignores(signal) && !heap[task].blocked.contains(signal) { return false }
    let pending = heap[process].pending.union(heap[task].pending)
    if !pending.contains(signal) { heap[signals].setRecord(of: signal, to: record) }
    return true
  }

  /// Takes signals out of all that is pending. Linux: `flush_sigqueue_mask()` of each thread.
  func forget(_ set: SignalSet, of process: Reference<Process>) {
    heap[process].pending = heap[process].pending.subtracting(set)
    var next = heap[process].tasks.first
    while let task = next {
      next = heap[task].threadNext.reference
      heap[task].pending = heap[task].pending.subtracting(set)
    }
  }

  private func resume(_ process: Reference<Process>) {
    guard heap[process].isStopped else { return }
    resumeStopped(process)
    heap[process].untoldChange = .continued
    tellParent(of: process, .continued, number: Signal.SIGCONT.number)
  }

  private func resumeStopped(_ process: Reference<Process>) {
    heap[process].isStopped = false
    var next = heap[process].tasks.first
    while let task = next {
      next = heap[task].threadNext.reference
      if heap[task].state == .stopped { makeRunnable(task) }
    }
  }

  /// Wakes a task for a signal that it does not block.
  private func notice(_ signal: Signal, _ task: Reference<Task>) {
    guard !heap[task].blocked.contains(signal) else { return }
    if task == current { state.value.exitWork.formUnion(.signals) }
    if heap[task].state == .sleepingInterruptibly { awaken(task, .interrupted) }
    if signal == .SIGKILL { interruptForEnd(task) }
  }

  /// Whether a signal would be delivered to a task now.
  func hasDeliverableSignal(_ task: Reference<Task>) -> Bool {
    if mustEnd(task) || heap[heap[task].process].isStopped { return true }
    let pending = heap[task].pending.union(heap[heap[task].process].pending)
    return !pending.subtracting(heap[task].blocked).isEmpty
  }

  /// Whether a task is to end as soon as it looks. Linux: `fatal_signal_pending()`.
  func isDying(_ task: Reference<Task>) -> Bool {
    let pending = heap[task].pending.union(heap[heap[task].process].pending)
    return mustEnd(task) || pending.contains(.SIGKILL)
  }

  /// Sends a signal to each process of a group; how many there were.
  func send(_ signal: Signal?, toGroup group: UInt32, _ record: SignalState.Record) -> Int {
    var count = 0
    var next = state.value.processes.first
    while let process = next {
      next = heap[process].listNext.reference
      guard heap[process].group == group, heap[process].state == .alive else { continue }
      count += 1
      if let signal { send(signal, to: process, record) }
    }
    return count
  }

  /// Changes what the running task blocks.
  func setBlocked(_ mask: SignalSet) {
    heap[current].blocked = mask.subtracting(.unblockable)
    state.value.exitWork.formUnion(.signals)
  }

  /// Tells a parent that a child stopped, went on or ended. Linux: `do_notify_parent*()`.
  func tellParent(of process: Reference<Process>, _ code: ChildCode, number: UInt8) {
    guard let parent = heap[process].parent.reference else { return }
    wake(childKey(of: parent))
    var signal = Signal(exactly: Int(heap[process].exitSignal))
    if code == .stopped || code == .continued {
      signal = .SIGCHLD
      if let signals = heap[parent].signals.reference,
        heap[signals].action(of: .SIGCHLD).flags & SignalAction.noChildStop != 0
      {
        return
      }
    }
    guard let signal else { return }
    let user = UInt64(identity(of: process).user.real)
    let identity = UInt64(heap[process].identifier) | user << 32
    send(
      signal, to: parent,
      SignalState.Record(code: code.rawValue, first: identity, second: UInt64(number)))
  }
}
