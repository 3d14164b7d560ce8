// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import IntrusiveStructures
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// The system calls on signals.
extension Kernel {
  private var thisSignals: Reference<SignalState> {
    guard let signals = heap[process].signals.reference else {
      preconditionFailure("a kernel task has no signals")
    }
    return signals
  }

  /// Linux: `rt_sigaction`.
  func setSignalAction(_ call: CallArguments) throws(Errno) -> UInt64 {
    guard call.fourth == 8 else { throw .EINVAL }
    guard let signal = Signal(exactly: call.firstInt) else { throw .EINVAL }
    let signals = thisSignals
    let old = heap[signals].action(of: signal)
    if call.second != 0 {
      var action: SignalAction = try load(at: call.second)
      guard !SignalSet.unblockable.contains(signal) else { throw .EINVAL }
      action.mask = action.mask.subtracting(.unblockable)
      heap[signals].setAction(of: signal, to: action)
      if heap[signals].ignores(signal) {
        let set = SignalSet(signal)
        forget(set, of: process)
      }
    }
    if call.third != 0 { try store(old, at: call.third) }
    return 0
  }

  /// Linux: `rt_sigprocmask`.
  func changeSignalMask(_ call: CallArguments) throws(Errno) -> UInt64 {
    guard call.fourth == 8 else { throw .EINVAL }
    let old = heap[current].blocked
    if call.second != 0 {
      let set: SignalSet = try load(at: call.second)
      switch call.first {
      case 0: setBlocked(old.union(set))
      case 1: setBlocked(old.subtracting(set))
      case 2: setBlocked(set)
      default: throw .EINVAL
      }
    }
    if call.third != 0 { try store(old, at: call.third) }
    return 0
  }

  /// Linux: `rt_sigpending`.
  func pendingSignals(_ call: CallArguments) throws(Errno) -> UInt64 {
    let pending = heap[current].pending.union(heap[process].pending)
    try store(SignalSet(bits: pending.bits & heap[current].blocked.bits), at: call.first)
    return 0
  }

  /// Linux: `rt_sigsuspend`.
  func suspendForSignal(_ call: CallArguments) throws(Errno) -> UInt64 {
    guard call.second == 8 else { throw .EINVAL }
    let mask: SignalSet = try load(at: call.first)
    heap[current].savedMask = heap[current].blocked
    setBlocked(mask)
    return try pause()
  }

  /// Linux: `pause`.
  func pause() throws(Errno) -> UInt64 {
    let key = SleepKey.object(current.raw, channel: Channel.pause)
    while sleepInterruptibly(on: key) {}
    throw .EINTR
  }

  /// Linux: `sigaltstack`.
  func setAlternateStack(_ call: CallArguments) throws(Errno) -> UInt64 {
    let old = alternateStackNow
    if call.first != 0 {
      let new: SignalStack = try load(at: call.first)
      guard !isOnAlternateStack else { throw .EPERM }
      let mode = new.flags & 0x7FFF_FFFF
      if mode == SignalStack.disabled {
        heap[current].alternateStack = SignalStack(base: 0, flags: 0, byteCount: 0)
      } else {
        guard mode == 0 || mode == SignalStack.inUse else { throw .EINVAL }
        guard new.byteCount >= SignalStack.minimum else { throw .ENOMEM }
        heap[current].alternateStack = SignalStack(
          base: new.base, flags: 0, byteCount: new.byteCount)
      }
    }
    if call.second != 0 { try store(old, at: call.second) }
    return 0
  }

  /// What goes with a signal that the running process sends.
  private func senderRecord(_ code: Int32) -> SignalState.Record {
    let process = process
    return SignalState.Record(
      code: code, first: UInt64(heap[process].identifier) | UInt64(identity.user.real) << 32)
  }

  private func signal(_ number: UInt64) throws(Errno) -> Signal? {
    let number = Int32(truncatingIfNeeded: number)
    if number == 0 { return nil }
    guard let signal = Signal(exactly: Int(number)) else { throw .EINVAL }
    return signal
  }

  /// Linux: `kill`.
  func kill(_ call: CallArguments) throws(Errno) -> UInt64 {
    let target = Int32(truncatingIfNeeded: call.first)
    let signal = try signal(call.second)
    let record = senderRecord(SignalInformation.fromUser)
    if target > 0 {
      guard let process = findProcess(UInt32(target)) else { throw .ESRCH }
      try checkRight(toSignal: process)
      if let signal { send(signal, to: process, record) }
      return 0
    }
    guard target != -1 else { return try killAll(signal, record) }
    guard target != .min else { throw .ESRCH }
    let group = target == 0 ? heap[process].group : UInt32(-target)
    guard send(signal, toGroup: group, record) > 0 else { throw .ESRCH }
    return 0
  }

  private func killAll(_ signal: Signal?, _ record: SignalState.Record) throws(Errno) -> UInt64 {
    let caller = process
    var count = 0
    var next = state.value.processes.first
    while let process = next {
      next = heap[process].listNext.reference
      guard process != caller, process != state.value.initProcess else { continue }
      count += 1
      if let signal { send(signal, to: process, record) }
    }
    guard count > 0 else { throw .ESRCH }
    return 0
  }

  private func checkRight(toSignal target: Reference<Process>) throws(Errno) {
    let own = identity
    let other = identity(of: target).user
    let isOwn =
      own.user.effective == other.saved || own.user.effective == other.real
      || own.user.real == other.saved || own.user.real == other.real
    guard isOwn || target == process || own.can(.killOthers) else { throw .EPERM }
  }

  /// Linux: `tgkill`; `tkill` without a group.
  func killTask(group: UInt64?, task number: UInt64, signal: UInt64) throws(Errno) -> UInt64 {
    let number = Int32(truncatingIfNeeded: number)
    guard number > 0 else { throw .EINVAL }
    if let group, Int32(truncatingIfNeeded: group) <= 0 { throw .EINVAL }
    let signal = try self.signal(signal)
    guard let task = findTask(UInt32(number)) else { throw .ESRCH }
    let process = heap[task].process
    if let group, UInt32(truncatingIfNeeded: group) != heap[process].identifier { throw .ESRCH }
    try checkRight(toSignal: process)
    if let signal { send(signal, to: task, senderRecord(SignalInformation.fromThread)) }
    return 0
  }
}

/// What is waited for at a kernel object, beyond the file systems' own.
enum Channel {
  static var children: UInt8 { 101 }
  static var vfork: UInt8 { 102 }
  static var pause: UInt8 { 103 }
  static var sleep: UInt8 { 104 }
  static var threads: UInt8 { 105 }
  static var futex: UInt8 { 106 }
}
