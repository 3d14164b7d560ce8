// SPDX-License-Identifier: Apache-2.0

import FileSystems
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
  /// Sends a signal to a process as a whole; false where `sigqueue` finds no room.
  ///
  /// - Context: any; does not sleep.
  @discardableResult
  func send(
    _ information: SignalInformation, to process: Reference<Process>,
    _ origin: SignalOrigin = .kill
  ) -> Bool {
    let signal = Signal(UInt8(information.signal))
    guard heap[process].state == .alive else { return true }
    let task = target(of: signal, in: process)
    guard prepare(signal, for: process, task: task) else { return true }
    var pending = heap[process].pending
    let isSent = add(information, to: &pending, of: process, origin)
    heap[process].pending = pending
    guard isSent else { return false }
    notice(signal, task)
    endIfFatal(signal, task)
    if signal == .SIGKILL { endOfKilled(process) }
    return true
  }

  /// Sends a signal to one task; false where `sigqueue` finds no room.
  @discardableResult
  func send(
    _ information: SignalInformation, to task: Reference<Task>, _ origin: SignalOrigin = .kill
  ) -> Bool {
    let signal = Signal(UInt8(information.signal))
    let process = heap[task].process
    guard heap[process].state == .alive, heap[task].state != .dead else { return true }
    guard prepare(signal, for: process, task: task) else { return true }
    var pending = heap[task].pending
    let isSent = add(information, to: &pending, of: process, origin)
    heap[task].pending = pending
    guard isSent else { return false }
    notice(signal, task)
    endIfFatal(signal, task)
    if signal == .SIGKILL { endOfKilled(process) }
    return true
  }

  /// Sends a signal of the kernel's own. Linux: `SEND_SIG_PRIV`.
  func sendFromKernel(_ signal: Signal, to process: Reference<Process>) {
    send(SignalInformation(signal, code: SignalInformation.fromKernel), to: process, .kernel)
  }

  /// Sends the running task a signal for what it did, as if by itself. Linux: `send_sig()`.
  func sendOwn(_ signal: Signal) {
    let information = SignalInformation(
      signal, code: SignalInformation.fromUser, sender: heap[process].identifier,
      user: identity.user.real)
    send(information, to: current)
  }

  private func add(
    _ information: SignalInformation, to pending: inout PendingSignals,
    of process: Reference<Process>, _ origin: SignalOrigin
  ) -> Bool {
    let signal = Signal(UInt8(information.signal))
    if !signal.isQueued, pending.set.contains(signal) { return true }
    // SIGKILL tells nothing but itself. Linux: `SEND_SIG_NOINFO`'s short cut.
    let entry = signal == .SIGKILL ? nil : makeQueued(information, for: process, origin)
    if entry == nil, origin == .queue, signal.isQueued { return false }
    pending.add(signal, entry, in: heap)
    return true
  }

  /// The thread that takes a signal of its process: the leader if it wants it, or the first that
  /// does; the leader if none does. Linux: `complete_signal()`, `wants_signal()`.
  private func target(of signal: Signal, in process: Reference<Process>) -> Reference<Task> {
    var next = heap[process].tasks.first
    while let task = next {
      if heap[task].state != .dead, !heap[task].blocked.contains(signal) { return task }
      next = heap[task].threadHook.next.reference
    }
    return leader(of: process)
  }

  /// Ends a process at once for a signal that one of its threads will end it for anyway, so that
  /// the others do nothing more. Where memory would be dumped that thread has to do it.
  ///
  /// Linux: `complete_signal()`, `sig_fatal()`.
  private func endIfFatal(_ signal: Signal, _ task: Reference<Task>) {
    let process = heap[task].process
    guard signal.defaultAction == .terminate, heap[process].groupEnd == .none,
      !heap[task].blocked.union(heap[task].waitedSignals).contains(signal),
      let signals = heap[process].signals.reference,
      heap[signals].action(of: signal).handler == SignalAction.defaultHandler
    else { return }
    heap[process].groupEnd = .all
    heap[process].status = .signalled(signal, dumped: false)
    endOfKilled(process)
    if process == self.process { state.value.exitWork.formUnion(.signals) }
  }

  /// Makes all threads of a killed process look.
  private func endOfKilled(_ process: Reference<Process>) {
    var next = heap[process].tasks.first
    while let task = next {
      next = heap[task].threadHook.next.reference
      if task != current { interruptForEnd(task) }
    }
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
    }
    record(.signalSent, detail: UInt16(signal.number), owner: heap[process].identifier)
    var pending = heap[task].pending
    _ = add(
      SignalInformation(signal, code: code, first: address), to: &pending, of: process, .kernel)
    heap[task].pending = pending
    notice(signal, task)
  }

  /// Enters a signal's effects on stops; false if it does nothing else.
  private func prepare(
    _ signal: Signal, for process: Reference<Process>, task: Reference<Task>
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
    // What is blocked waits, whatever would become of it. Linux: `sig_ignored()`.
    let isWaited = heap[task].blocked.union(heap[task].waitedSignals).contains(signal)
    return isWaited || !heap[signals].ignores(signal)
  }

  /// Takes signals out of all that is pending. Linux: `flush_sigqueue_mask()` of each thread.
  func forget(_ set: SignalSet, of process: Reference<Process>) {
    var pending = heap[process].pending
    remove(set, from: &pending)
    heap[process].pending = pending
    var next = heap[process].tasks.first
    while let task = next {
      next = heap[task].threadHook.next.reference
      var own = heap[task].pending
      remove(set, from: &own)
      heap[task].pending = own
    }
  }

  private func resume(_ process: Reference<Process>) {
    guard heap[process].isStopped else { return }
    resumeStopped(process)
    heap[process].untoldChange = .continued
    heap[process].hasGoneOn = true
  }

  private func resumeStopped(_ process: Reference<Process>) {
    heap[process].isStopped = false
    var next = heap[process].tasks.first
    while let task = next {
      next = heap[task].threadHook.next.reference
      if heap[task].state == .stopped { makeRunnable(task) }
    }
  }

  /// Wakes a task for a signal that it does not block, or waits for.
  private func notice(_ signal: Signal, _ task: Reference<Task>) {
    fileSystems.signalsChanged()
    if signal == .SIGKILL { interruptForEnd(task) }
    let process = heap[task].process
    var next = heap[process].tasks.first
    while let waiter = next {
      next = heap[waiter].threadHook.next.reference
      let waits = heap[waiter].waitedSignals.contains(signal)
      if waits, heap[waiter].state == .sleepingInterruptibly { awaken(waiter, .interrupted) }
    }
    guard !heap[task].blocked.contains(signal) else { return }
    if task == current { state.value.exitWork.formUnion(.signals) }
    if heap[task].state == .sleepingInterruptibly { awaken(task, .interrupted) }
  }

  /// Whether a signal would be delivered to a task now.
  func hasDeliverableSignal(_ task: Reference<Task>) -> Bool {
    if mustEnd(task) || heap[heap[task].process].isStopped { return true }
    let own = heap[task].pending.set.subtracting(heap[task].blocked)
    return !own.union(sharedSignals(for: task)).isEmpty
  }

  /// The pending signals of its process that a task is to take: those that it wants, and none
  /// of the threads before it.
  ///
  /// Linux: for whom `complete_signal()` sets `TIF_SIGPENDING`.
  func sharedSignals(for task: Reference<Task>) -> SignalSet {
    let process = heap[task].process
    var signals = heap[process].pending.set.subtracting(heap[task].blocked)
    var next = heap[process].tasks.first
    while !signals.isEmpty, let other = next, other != task {
      next = heap[other].threadHook.next.reference
      guard heap[other].state != .dead else { continue }
      signals = SignalSet(bits: signals.bits & heap[other].blocked.bits)
    }
    return signals
  }

  /// Wakes those who take signals of a process in the place of a thread that does not any more.
  ///
  /// Linux: `retarget_shared_pending()`.
  func retarget(_ signals: SignalSet, of process: Reference<Process>) {
    guard heap[process].liveTaskCount > 1 else { return }
    var left = SignalSet(bits: signals.bits & heap[process].pending.set.bits)
    while let signal = left.first {
      notice(signal, target(of: signal, in: process))
      left = left.subtracting(SignalSet(signal))
    }
  }

  /// What is pending for a task or its process.
  func pendingSet(of task: Reference<Task>) -> SignalSet {
    heap[task].pending.set.union(heap[heap[task].process].pending.set)
  }

  /// Whether a task is to end as soon as it looks. Linux: `fatal_signal_pending()`.
  func isDying(_ task: Reference<Task>) -> Bool {
    mustEnd(task) || pendingSet(of: task).contains(.SIGKILL)
  }

  /// Changes what the running task blocks.
  func setBlocked(_ mask: SignalSet) {
    let old = heap[current].blocked
    heap[current].blocked = mask.subtracting(.unblockable)
    state.value.exitWork.formUnion(.signals)
    retarget(mask.subtracting(old), of: process)
  }

  /// Tells a parent that a child stopped, went on or ended. Linux: `do_notify_parent*()`.
  func tellParent(of process: Reference<Process>, _ code: ChildCode, number: UInt8) {
    guard let parent = heap[process].parent.reference else { return }
    wake(childKey(of: parent))
    var signal = Signal(exactly: Int(heap[process].exitSignal))
    if code == .stopped || code == .continued {
      signal = .SIGCHLD
      if let signals = heap[parent].signals.reference {
        let action = heap[signals].action(of: .SIGCHLD)
        let ignores = action.handler == SignalAction.ignoringHandler
        if ignores || action.flags & SignalAction.noChildStop != 0 { return }
      }
    }
    guard let signal else { return }
    var information = SignalInformation(
      signal, code: code.rawValue, sender: heap[process].identifier,
      user: identity(of: process).user.real, value: UInt64(number))
    let system = min(systemTime(of: process), heap[process].runTime)
    information.third = (heap[process].runTime - system) / 10_000_000
    information.fourth = system / 10_000_000
    send(information, to: parent, .kernel)
  }
}
