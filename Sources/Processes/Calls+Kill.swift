// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import FileSystems
import IntrusiveStructures
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// The system calls that send signals and that wait for them without a handler.
///
/// Linux: `kernel/signal.c`.
extension Kernel {
  /// The signal of a number; nil for 0, which only asks whether one could be sent.
  private func signal(_ number: UInt64) throws(Errno) -> Signal? {
    let number = Int32(truncatingIfNeeded: number)
    if number == 0 { return nil }
    guard let signal = Signal(exactly: Int(number)) else { throw .EINVAL }
    return signal
  }

  /// What goes with a signal that the running process sends.
  private func information(_ signal: Signal, _ code: Int32) -> SignalInformation {
    SignalInformation(
      signal, code: code, sender: heap[process].identifier, user: identity.user.real)
  }

  /// Linux: `kill`.
  func kill(_ call: CallArguments) throws(Errno) -> UInt64 {
    let target = Int32(truncatingIfNeeded: call.first)
    let signal = try signal(call.second)
    if target > 0 {
      guard let task = findTask(UInt32(target)) else { throw .ESRCH }
      let process = heap[task].process
      try checkRight(toSignal: process, signal)
      if let signal { send(information(signal, SignalInformation.fromUser), to: process) }
      return 0
    }
    guard target != .min else { throw .ESRCH }
    let group = target == 0 ? heap[process].group : UInt32(bitPattern: 0 &- target)
    return try killMany(signal, group: target == -1 ? nil : group)
  }

  /// Sends to all of a group, or to all but init and the caller.
  ///
  /// - Throws: ESRCH where there is nobody, EPERM where nobody may be told.
  private func killMany(_ signal: Signal?, group: UInt32?) throws(Errno) -> UInt64 {
    let caller = process
    var failure: Errno? = .ESRCH
    var next = state.value.processes.first
    while let process = next {
      next = heap[process].listHook.next.reference
      if let group {
        guard heap[process].group == group else { continue }
      } else {
        guard process != caller, process != state.value.initProcess else { continue }
      }
      do {
        try checkRight(toSignal: process, signal)
        if let signal { send(information(signal, SignalInformation.fromUser), to: process) }
        failure = nil
      } catch {
        if failure == .ESRCH { failure = error }
      }
    }
    if let failure { throw failure }
    return 0
  }

  /// Linux: `kill_ok_by_cred()`, and SIGCONT within a session.
  private func checkRight(
    toSignal target: Reference<Process>, _ signal: Signal?
  ) throws(Errno) {
    let own = identity
    let other = identity(of: target).user
    let isOwn =
      own.user.effective == other.saved || own.user.effective == other.real
      || own.user.real == other.saved || own.user.real == other.real
    guard !isOwn, target != process, !own.can(.killOthers) else { return }
    if signal == .SIGCONT, heap[target].session == heap[process].session { return }
    throw .EPERM
  }

  /// Linux: `tgkill`; `tkill` without a group.
  func killTask(group: UInt64?, task number: UInt64, signal: UInt64) throws(Errno) -> UInt64 {
    let signal = try self.signal(checked: group, number, signal)
    let task = try task(number, group)
    try checkRight(toSignal: heap[task].process, signal)
    if let signal { send(information(signal, SignalInformation.fromThread), to: task) }
    return 0
  }

  private func signal(
    checked group: UInt64?, _ number: UInt64, _ signal: UInt64
  ) throws(Errno) -> Signal? {
    guard Int32(truncatingIfNeeded: number) > 0 else { throw .EINVAL }
    if let group, Int32(truncatingIfNeeded: group) <= 0 { throw .EINVAL }
    return try self.signal(signal)
  }

  private func task(_ number: UInt64, _ group: UInt64?) throws(Errno) -> Reference<Task> {
    guard let task = findTask(UInt32(truncatingIfNeeded: number)) else { throw .ESRCH }
    if let group {
      let identifier = heap[heap[task].process].identifier
      guard identifier == UInt32(truncatingIfNeeded: group) else { throw .ESRCH }
    }
    return task
  }

  /// What a program made itself. Throws: EPERM where it poses as the kernel to others.
  private func information(
    at address: UInt64, for number: UInt64
  ) throws(Errno) -> SignalInformation {
    let information: SignalInformation = try load(at: address)
    let isOwn = UInt32(truncatingIfNeeded: number) == heap[process].identifier
    let isForged = information.code >= 0 || information.code == SignalInformation.fromThread
    guard isOwn || !isForged else { throw .EPERM }
    return information
  }

  /// Linux: `rt_sigqueueinfo`.
  func queueSignal(_ call: CallArguments) throws(Errno) -> UInt64 {
    var information = try information(at: call.third, for: call.first)
    let signal = try signal(call.second)
    let number = Int32(truncatingIfNeeded: call.first)
    guard number > 0, let task = findTask(UInt32(number)) else { throw .ESRCH }
    let process = heap[task].process
    try checkRight(toSignal: process, signal)
    guard let signal else { return 0 }
    information.signal = Int32(signal.number)
    guard send(information, to: process, .queue) else { throw .EAGAIN }
    return 0
  }

  /// Linux: `pidfd_send_signal`.
  func signalProcess(_ call: CallArguments) throws(Errno) -> UInt64 {
    // PIDFD_SIGNAL_THREAD, PIDFD_SIGNAL_THREAD_GROUP, PIDFD_SIGNAL_PROCESS_GROUP
    let kind = call.fourth & 0xFFFF_FFFF
    guard kind & ~7 == 0, kind & (kind &- 1) == 0 else { throw .EINVAL }
    let target = try process(ofHandleOrFolder: call.first)
    let signal = try signal(call.second)
    var sent = SignalInformation()
    if let signal { sent = information(signal, SignalInformation.fromUser) }
    if call.third != 0 {
      sent = try information(at: call.third, for: UInt64(heap[target].identifier))
      guard UInt64(bitPattern: Int64(sent.signal)) == call.second else { throw .EINVAL }
    }
    if kind == 4 { return try killMany(signal, group: heap[target].group) }
    try checkRight(toSignal: target, signal)
    guard signal != nil else { return 0 }
    if kind == 1 {
      send(sent, to: leader(of: target), .kernel)
    } else {
      send(sent, to: target)
    }
    return 0
  }

  /// Linux: `rt_tgsigqueueinfo`.
  func queueTaskSignal(_ call: CallArguments) throws(Errno) -> UInt64 {
    guard Int32(truncatingIfNeeded: call.first) > 0, Int32(truncatingIfNeeded: call.second) > 0
    else { throw .EINVAL }
    var information: SignalInformation = try load(at: call.fourth)
    let isForged = information.code >= 0 || information.code == SignalInformation.fromThread
    let isOwn = UInt32(truncatingIfNeeded: call.second) == heap[current].identifier
    guard isOwn || !isForged else { throw .EPERM }
    let signal = try signal(call.third)
    let task = try task(call.second, call.first)
    try checkRight(toSignal: heap[task].process, signal)
    guard let signal else { return 0 }
    information.signal = Int32(signal.number)
    guard send(information, to: task, .queue) else { throw .EAGAIN }
    return 0
  }

  /// Linux: `rt_sigtimedwait`.
  ///
  /// - Context: may sleep.
  func waitForSignal(_ call: CallArguments) throws(Errno) -> UInt64 {
    guard call.fourth == 8 else { throw .EINVAL }
    let wanted: SignalSet = try load(at: call.first)
    let set = wanted.subtracting(.unblockable)
    var deadline = VirtualTime.never
    if call.third != 0 {
      let wish: TimeSpecification = try load(at: call.third)
      guard let duration = wish.duration else { throw .EINVAL }
      deadline = machine.now.advanced(byNanoseconds: duration)
    }
    let task = current
    var found = takeSignal(of: set)
    if found == nil, deadline > machine.now {
      heap[task].waitedSignals = set
      let key = SleepKey.object(task.raw, channel: Channel.pause)
      var reason = Task.WakeReason.woken
      while found == nil, reason == .woken {
        reason = suspend(on: key.value, .sleepingInterruptibly, until: deadline)
        found = takeSignal(of: set)
      }
      heap[task].waitedSignals = .empty
      if found == nil, reason == .interrupted { throw .EINTR }
    }
    guard let found else { throw .EAGAIN }
    if call.second != 0 { try store(found, at: call.second) }
    return UInt64(found.signal)
  }

  /// Stores what programs see of a signal: zeros follow what is kept.
  func store(_ information: SignalInformation, at address: UInt64) throws(Errno) {
    var padding = InlineArray<10, UInt64>(repeating: 0)
    let space = space
    do throws(MemoryError) {
      try spaces.store(information, at: VirtualAddress(address), in: space)
      try withMemoryBlock(over: &padding) { (block) throws(MemoryError) in
        try spaces.copyOut(
          from: block, at: 0, byteCount: 80, to: VirtualAddress(address &+ 48), in: space)
      }
    } catch {
      throw Errno(error)
    }
  }
}
