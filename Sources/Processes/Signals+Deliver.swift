// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import IntrusiveStructures
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// What a pending signal does, on the way back to the program.
///
/// Linux: `get_signal()`, `arch_do_signal_or_restart()`.
extension Kernel {
  /// Delivers all that is pending, and sets up the repetition of an interrupted call.
  ///
  /// - Context: may sleep (stopped, or copying a frame); does not return if the program ends.
  func deliverSignals() {
    let task = current
    while true {
      if heap[process].hasGoneOn {
        heap[process].hasGoneOn = false
        tellParent(of: process, .continued, number: Signal.SIGCONT.number)
      }
      if mustEnd(task) { exitTask(heap[process].status) }
      if heap[process].isStopped {
        stayStopped()
        continue
      }
      let allowed = SignalSet(bits: ~heap[task].blocked.bits)
      guard let information = takeSignal(of: allowed, shared: sharedSignals(for: task)) else {
        break
      }
      let signal = Signal(UInt8(information.signal))
      guard let signals = heap[process].signals.reference else { return }
      let action = heap[signals].action(of: signal)
      switch action.handler {
      case SignalAction.ignoringHandler: continue
      case SignalAction.defaultHandler: actByDefault(signal)
      default:
        settleInterruptedCall(handler: action)
        leaveSequence()
        enterHandler(signal, action, information)
      }
    }
    settleInterruptedCall(handler: nil)
    if let mask = heap[task].savedMask {
      heap[task].savedMask = nil
      heap[task].blocked = mask
      if hasDeliverableSignal(task) { deliverSignals() }
    }
  }

  /// Takes the next signal of a set that is pending for the running task: those of an
  /// instruction first, then its own, then its process's, each by number.
  ///
  /// Linux: `dequeue_signal()`.
  public func takeSignal(of set: SignalSet) -> SignalInformation? {
    takeSignal(of: set, shared: set)
  }

  private func takeSignal(of set: SignalSet, shared wanted: SignalSet) -> SignalInformation? {
    let task = current
    let process = process
    let own = SignalSet(bits: heap[task].pending.set.bits & set.bits)
    let shared = SignalSet(bits: heap[process].pending.set.bits & wanted.bits)
    let kill = SignalSet(.SIGKILL)
    if own.union(shared).contains(.SIGKILL) {
      return take(.SIGKILL, isOwn: kill.bits & own.bits != 0)
    }
    let urgent = SignalSet(bits: own.bits & SignalSet.synchronous.bits)
    if let signal = urgent.first ?? own.first { return take(signal, isOwn: true) }
    let urgentShared = SignalSet(bits: shared.bits & SignalSet.synchronous.bits)
    guard let signal = urgentShared.first ?? shared.first else { return nil }
    return take(signal, isOwn: false)
  }

  private func take(_ signal: Signal, isOwn: Bool) -> SignalInformation {
    var pending = isOwn ? heap[current].pending : heap[process].pending
    let entry = pending.take(signal, in: heap)
    if isOwn {
      heap[current].pending = pending
    } else {
      heap[process].pending = pending
    }
    // What went with it was lost for want of room.
    guard let entry else { return SignalInformation(signal, code: SignalInformation.fromUser) }
    var information = heap[entry].information
    freeQueued(entry)
    if signal == .SIGALRM { restartAlarm() }
    if information.code == SignalInformation.fromTimer { restartTimer(&information) }
    return information
  }

  private func actByDefault(_ signal: Signal) {
    switch signal.defaultAction {
    case .ignore, .resume: return
    case .stop: stop(by: signal)
    case .terminate: exitProcess(.signalled(signal, dumped: false))
    case .core: exitProcess(.signalled(signal, dumped: false))
    }
  }

  /// Sleeps until SIGCONT or SIGKILL. Linux: `do_signal_stop()`.
  private func stop(by signal: Signal) {
    let process = process
    // Nobody could resume it again.
    if signal != .SIGSTOP, isOrphaned(heap[process].group) { return }
    heap[process].isStopped = true
    heap[process].untoldChange = .stopped(signal)
    stopOthers(of: process)
    tellParent(of: process, .stopped, number: signal.number)
  }

  /// Makes the other threads of a stopped process look. Linux: `signal_wake_up()` of each.
  private func stopOthers(of process: Reference<Process>) {
    var next = heap[process].tasks.first
    while let task = next {
      next = heap[task].threadHook.next.reference
      guard task != current else { continue }
      if heap[task].state == .sleepingInterruptibly { awaken(task, .interrupted) }
    }
  }

  /// Sleeps as long as the process is stopped. Linux: `schedule()` in `do_signal_stop()`.
  private func stayStopped() {
    while heap[process].isStopped && !mustEnd(current) {
      heap[current].state = .stopped
      reschedule()
    }
  }

  /// Decides whether an interrupted call is made again, by stepping back to its instruction.
  private func settleInterruptedCall(handler: SignalAction?) {
    let task = current
    let restart = heap[task].interrupted
    guard restart != .none else { return }
    heap[task].interrupted = .none
    if let handler {
      let repeats = restart == .system && handler.flags & SignalAction.restart != 0
      guard repeats || restart == .always else {
        heap[task].restartDeadline = .never
        return
      }
    }
    let stack = heap[task].stack
    machine.setRegister(
      .result, of: stack, to: machine.register(.systemCall, of: stack))
    let next = machine.register(.instructionPointer, of: stack)
    machine.setRegister(.instructionPointer, of: stack, to: next &- Self.callInstructionBytes)
  }

  /// `syscall` and `int 0x80` have two bytes.
  private static var callInstructionBytes: UInt64 { 2 }
}
