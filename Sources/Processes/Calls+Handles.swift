// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import FileSystems
import IntrusiveStructures
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// The system calls on descriptors of processes.
///
/// Linux: `kernel/pid.c`, `pidfd_send_signal`.
extension Kernel {
  /// Linux: `PIDFD_NONBLOCK`, `PIDFD_THREAD`.
  private static var nonBlocking: UInt64 { 0o4000 }

  /// Linux: `pidfd_open`, of processes only.
  func openProcess(_ call: CallArguments) throws(Errno) -> UInt64 {
    let flags = call.second & 0xFFFF_FFFF
    guard flags & ~Self.nonBlocking == 0 else { throw .EINVAL }
    let number = Int32(truncatingIfNeeded: call.first)
    guard number > 0 else { throw .EINVAL }
    guard let task = findTask(UInt32(number)) else { throw .ESRCH }
    guard isLeader(task) else { throw .EINVAL }
    return try enterHandle(of: heap[task].process, flags: flags)
  }

  /// A new descriptor of a process; it is closed at `execve`.
  func enterHandle(of process: Reference<Process>, flags: UInt64) throws(Errno) -> UInt64 {
    let kept = OpenFlags(rawValue: UInt32(flags & Self.nonBlocking))
    let file = try fileSystems.makeProcessHandle(heap[process].serial, flags: kept)
    return try enter(file, closesOnExecute: true)
  }

  private func findProcess(serial: UInt32) -> Reference<Process>? {
    var next = state.value.processes.first
    while let process = next {
      if heap[process].serial == serial { return process }
      next = heap[process].listHook.next.reference
    }
    return nil
  }

  /// The process of a descriptor.
  ///
  /// - Throws: EBADF of another file, ESRCH when it is gone.
  /// - Complexity: O(processes).
  func process(ofHandle descriptor: UInt64) throws(Errno) -> Reference<Process> {
    guard let serial = fileSystems.processSerial(of: try file(descriptor)) else {
      throw .EBADF
    }
    guard let process = findProcess(serial: serial) else { throw .ESRCH }
    return process
  }

  /// The process of a descriptor, or of one of its folder in /proc.
  ///
  /// - Throws: EBADF of another file, ESRCH when it is gone.
  /// - Complexity: O(processes).
  func process(ofHandleOrFolder descriptor: UInt64) throws(Errno) -> Reference<Process> {
    guard let number = fileSystems.processIdentifier(ofFolder: try file(descriptor)) else {
      return try process(ofHandle: descriptor)
    }
    guard let process = findProcess(number) else { throw .ESRCH }
    return process
  }

  public func readiness(ofProcess serial: UInt32) -> Readiness {
    guard let process = findProcess(serial: serial) else {
      return .input.union(.normalInput).union(.hangUp)
    }
    return heap[process].state == .zombie ? .input.union(.normalInput) : Readiness()
  }

  /// Linux: `pidfd_getfd`.
  func takeDescriptor(_ call: CallArguments) throws(Errno) -> UInt64 {
    guard call.third & 0xFFFF_FFFF == 0 else { throw .EINVAL }
    let target = try process(ofHandle: call.first)
    guard heap[target].state == .alive else { throw .ESRCH }
    try checkRight(toInspect: leader(of: target))
    guard let file = file(UInt32(truncatingIfNeeded: call.second), of: target) else {
      throw .EBADF
    }
    fileSystems.retain(file)
    return try enter(file, closesOnExecute: true)
  }
}
