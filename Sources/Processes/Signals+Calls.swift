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
      action.flags &= SignalAction.knownFlags
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
      switch call.first & 0xFFFF_FFFF {
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
    guard call.second <= 8 else { throw .EINVAL }
    let pending = SignalSet(bits: pendingSet(of: current).bits & heap[current].blocked.bits)
    guard call.second == 8 else {
      for index in 0..<call.second {
        let byte = UInt8(truncatingIfNeeded: pending.bits >> (8 * index))
        try store(byte, at: call.first &+ index)
      }
      return 0
    }
    try store(pending, at: call.first)
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
    if call.first != 0 { try changeAlternateStack(to: load(at: call.first)) }
    if call.second != 0 { try store(old, at: call.second) }
    return 0
  }

  func changeAlternateStack(to new: SignalStack) throws(Errno) {
    guard !isOnAlternateStack else { throw .EPERM }
    let mode = new.flags & ~SignalStack.disarms
    guard mode == 0 || mode == SignalStack.inUse || mode == SignalStack.disabled else {
      throw .EINVAL
    }
    if mode == SignalStack.disabled {
      heap[current].alternateStack = SignalStack(base: 0, flags: 0, byteCount: 0)
      return
    }
    // What is so already is no change, none at all included. Linux: `do_sigaltstack()`.
    let kept = heap[current].alternateStack
    let isKept = new.base == kept.base && new.byteCount == kept.byteCount
    guard isKept || new.byteCount >= SignalStack.minimum else { throw .ENOMEM }
    heap[current].alternateStack = SignalStack(
      base: new.base, flags: new.flags & SignalStack.disarms, byteCount: new.byteCount)
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
