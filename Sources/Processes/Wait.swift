// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import IntrusiveStructures
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// Waiting for children. Linux: `do_wait()`.
extension Kernel {
  /// Which children a `wait` is about.
  enum WaitTarget {
    case any
    case process(UInt32)
    case group(UInt32)
  }

  /// What a `wait` found.
  private enum WaitResult {
    /// A child that ended, stopped or went on; a dead one is still to be reaped.
    case found(Reference<Process>, WaitStatus, reap: Bool)
    case notYet
    case noChild
  }

  /// Linux: `wait4`.
  ///
  /// - Context: may sleep.
  func wait4(_ call: CallArguments) throws(Errno) -> UInt64 {
    let allowed =
      WaitOption.noHang | WaitOption.untraced | WaitOption.continued | WaitOption.all
      | WaitOption.clone | WaitOption.noThread
    let options = call.third & 0xFFFF_FFFF
    guard options & ~allowed == 0 else { throw .EINVAL }
    let target = try waitTarget(call.firstInt)
    let parent = process
    while true {
      switch findChild(of: parent, target, options | WaitOption.ended) {
      case .found(let child, let status, let isDead):
        let identifier = heap[child].identifier
        let usage = usage(of: child)
        if isDead { reap(child) } else { heap[child].untoldChange = nil }
        if call.second != 0 { try store(status.value, at: call.second) }
        if call.fourth != 0 { try store(usage, at: call.fourth) }
        return UInt64(identifier)
      case .noChild: throw .ECHILD
      case .notYet:
        if options & WaitOption.noHang != 0 { return 0 }
        guard sleepInterruptibly(on: childKey(of: parent)) else { throw .EINTR }
      }
    }
  }

  /// Linux: `waitid`.
  ///
  /// - Context: may sleep.
  func waitForInformation(_ call: CallArguments) throws(Errno) -> UInt64 {
    let kinds = WaitOption.untraced | WaitOption.continued | WaitOption.ended
    let allowed =
      kinds | WaitOption.noHang | WaitOption.leave | WaitOption.all | WaitOption.clone
      | WaitOption.noThread
    let options = call.fourth & 0xFFFF_FFFF
    guard options & ~allowed == 0, options & kinds != 0 else { throw .EINVAL }
    let target = try waitTarget(kind: call.first, Int32(truncatingIfNeeded: call.second))
    let parent = process
    while true {
      switch findChild(of: parent, target, options) {
      case .found(let child, let status, let isDead):
        let usage = usage(of: child)
        let information = information(on: child, status)
        if options & WaitOption.leave == 0 {
          if isDead { reap(child) } else { heap[child].untoldChange = nil }
        }
        if call.fifth != 0 { try store(usage, at: call.fifth) }
        try storeInformation(information, at: call.third)
        return 0
      case .noChild:
        try storeInformation(SignalInformation(), at: call.third)
        throw .ECHILD
      case .notYet:
        if options & WaitOption.noHang != 0 {
          try storeInformation(SignalInformation(), at: call.third)
          return 0
        }
        guard sleepInterruptibly(on: childKey(of: parent)) else { throw .EINTR }
      }
    }
  }

  private func waitTarget(kind: UInt64, _ number: Int32) throws(Errno) -> WaitTarget {
    switch UInt32(truncatingIfNeeded: kind) {
    case 0: return .any
    case 1:
      guard number > 0 else { throw .EINVAL }
      return .process(UInt32(number))
    case 2:
      guard number >= 0 else { throw .EINVAL }
      return .group(number == 0 ? heap[process].group : UInt32(number))
    case 3:
      guard number >= 0 else { throw .EINVAL }
      do {
        return .process(heap[try process(ofHandle: UInt64(number))].identifier)
      } catch {
        throw error == .ESRCH ? .ECHILD : error
      }
    default: throw .EINVAL
    }
  }

  private func information(
    on child: Reference<Process>, _ status: WaitStatus
  ) -> SignalInformation {
    var information = SignalInformation()
    information.signal = Int32(Signal.SIGCHLD.number)
    information.code = status.childCode.rawValue
    let user = UInt64(identity(of: child).user.real)
    information.first = UInt64(heap[child].identifier) | user << 32
    information.second = UInt64(status.childValue)
    return information
  }

  /// The first 28 bytes: Linux leaves the others as they are.
  private func storeInformation(
    _ information: SignalInformation, at address: UInt64
  ) throws(Errno) {
    guard address != 0 else { return }
    try store(information.signal, at: address)
    try store(information.error, at: address &+ 4)
    try store(information.code, at: address &+ 8)
    try store(information.first, at: address &+ 16)
    try store(UInt32(truncatingIfNeeded: information.second), at: address &+ 24)
  }

  /// Whether a `wait` is about children of this kind. Linux: `eligible_child()`.
  private func isEligible(_ child: Reference<Process>, _ options: UInt64) -> Bool {
    guard options & WaitOption.all == 0 else { return true }
    let isClone = heap[child].exitSignal != Signal.SIGCHLD.number
    return isClone == (options & WaitOption.clone != 0)
  }

  private func waitTarget(_ number: Int) throws(Errno) -> WaitTarget {
    switch number {
    case -1: return .any
    case 0: return .group(heap[process].group)
    case Int(Int32.min): throw .ESRCH
    case ..<0: return .group(UInt32(-number))
    default: return .process(UInt32(number))
    }
  }

  private func findChild(
    of parent: Reference<Process>, _ target: WaitTarget, _ options: UInt64
  ) -> WaitResult {
    var result = WaitResult.noChild
    var next = heap[parent].children.first
    while let child = next {
      next = heap[child].siblingHook.next.reference
      switch target {
      case .any: break
      case .process(let number): if heap[child].identifier != number { continue }
      case .group(let number): if heap[child].group != number { continue }
      }
      guard isEligible(child, options) else { continue }
      result = .notYet
      if heap[child].state == .zombie {
        guard options & WaitOption.ended != 0 else { continue }
        return .found(child, heap[child].status, reap: true)
      }
      guard let change = heap[child].untoldChange else { continue }
      let wanted = change == .continued ? WaitOption.continued : WaitOption.untraced
      if options & wanted != 0 { return .found(child, change, reap: false) }
    }
    return result
  }

  /// Reaps all dead children of init; whether there was one.
  ///
  /// - Context: init's task.
  func reapOrphans() -> Bool {
    var found = false
    let options = WaitOption.ended | WaitOption.all
    while case .found(let child, _, _) = findChild(
      of: state.value.initProcess, .any, options) {
      reap(child)
      found = true
    }
    return found
  }
}
