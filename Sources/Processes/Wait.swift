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
      switch findChild(of: parent, target, options) {
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
      next = heap[child].siblingNext.reference
      switch target {
      case .any: break
      case .process(let number): if heap[child].identifier != number { continue }
      case .group(let number): if heap[child].group != number { continue }
      }
      result = .notYet
      if heap[child].state == .zombie { return .found(child, heap[child].status, reap: true) }
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
    while case .found(let child, _, _) = findChild(of: state.value.initProcess, .any, 0) {
      reap(child)
      found = true
    }
    return found
  }
}
