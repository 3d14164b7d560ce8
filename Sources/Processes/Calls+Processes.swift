// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import FileSystems
import IntrusiveStructures
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageTableFormats

/// The system calls on processes: beginning, groups, numbers, limits.
extension Kernel {
  // Beginning and ending

  func fork() throws(Errno) -> UInt64 { try clone(ForkRequest()) }

  func vfork() throws(Errno) -> UInt64 {
    try clone(ForkRequest(flags: CloneFlags.memory.union(.vfork)))
  }

  /// Linux: `clone`, with x86-64's order of arguments.
  func clone(_ call: CallArguments) throws(Errno) -> UInt64 {
    let flags = CloneFlags(rawValue: call.first & 0xFFFF_FF00)
    // Both would go to the same place.
    guard !flags.contains(.pidDescriptor) || !flags.contains(.parentSetTID) else { throw .EINVAL }
    return try clone(
      ForkRequest(
        flags: flags, exitSignal: UInt8(call.first & 0xFF), stack: call.second,
        parentIdentifierAt: call.third, childIdentifierAt: call.fourth,
        threadPointer: call.fifth, descriptorAt: call.third))
  }

  /// Linux: `exit_group`.
  func exitGroup(_ call: CallArguments) -> UInt64 {
    exitProcess(.exited(UInt8(truncatingIfNeeded: call.first)))
  }

  /// Linux: `exit`: this thread's end, and the process's with the last.
  func exit(_ call: CallArguments) -> UInt64 {
    exitTask(.exited(UInt8(truncatingIfNeeded: call.first)))
  }

  // Numbers

  var parentIdentifier: UInt64 {
    guard let parent = heap[process].parent.reference else { return 0 }
    return UInt64(heap[parent].identifier)
  }

  /// Linux: `set_tid_address`.
  func setIdentifierAddress(_ call: CallArguments) -> UInt64 {
    heap[current].clearIdentifierAt = VirtualAddress(call.first)
    return UInt64(heap[current].identifier)
  }

  private func processOrSelf(_ number: UInt64) throws(Errno) -> Reference<Process> {
    let number = Int32(truncatingIfNeeded: number)
    if number == 0 { return process }
    guard number > 0, let found = findProcess(UInt32(number)) else { throw .ESRCH }
    return found
  }

  /// Linux: `getpgid`.
  func group(of number: UInt64) throws(Errno) -> UInt64 {
    UInt64(heap[try processOrSelf(number)].group)
  }

  /// Linux: `getsid`.
  func session(of number: UInt64) throws(Errno) -> UInt64 {
    UInt64(heap[try processOrSelf(number)].session)
  }

  /// Linux: `setpgid`.
  func setGroup(_ call: CallArguments) throws(Errno) -> UInt64 {
    let caller = process
    let target = try processOrSelf(call.first)
    let wish = Int32(truncatingIfNeeded: call.second)
    guard wish >= 0 else { throw .EINVAL }
    let group = wish == 0 ? heap[target].identifier : UInt32(wish)
    if target != caller {
      guard heap[target].parent.reference == caller else { throw .ESRCH }
      guard heap[target].session == heap[caller].session else { throw .EPERM }
      guard !heap[target].hasExecuted else { throw .EACCES }
    }
    guard heap[target].session != heap[target].identifier else { throw .EPERM }
    if group != heap[target].identifier {
      guard groupExists(group, inSession: heap[caller].session) else { throw .EPERM }
    }
    heap[target].group = group
    return 0
  }

  private func groupExists(_ group: UInt32, inSession session: UInt32) -> Bool {
    var next = state.value.processes.first
    while let process = next {
      if heap[process].group == group, heap[process].session == session { return true }
      next = heap[process].listHook.next.reference
    }
    return false
  }

  /// Linux: `setsid`.
  func makeSession() throws(Errno) -> UInt64 {
    let identifier = heap[process].identifier
    var next = state.value.processes.first
    while let other = next {
      guard heap[other].group != identifier else { throw .EPERM }
      next = heap[other].listHook.next.reference
    }
    heap[process].group = identifier
    heap[process].session = identifier
    heap[process].terminal = Link(nil)
    return UInt64(identifier)
  }

  // Limits and usage

  /// Bytes that the stack may grow to.
  var stackLimit: UInt64 {
    heap[process].limits[Resource.stack.rawValue].current
  }

  private func resource(_ number: UInt64) throws(Errno) -> Int {
    guard let resource = Resource(rawValue: Int(number & 0xFFFF_FFFF)) else { throw .EINVAL }
    return resource.rawValue
  }

  /// Linux: `getrlimit`, `setrlimit`, `prlimit64`.
  func changeLimit(
    of number: UInt64, _ resource: UInt64, new: UInt64?, old: UInt64?
  ) throws(Errno) -> UInt64 {
    let target = try processOrSelf(number)
    let index = try self.resource(resource)
    try checkRight(toLimit: target)
    let current = heap[target].limits[index]
    if let new {
      let limit: ResourceLimit = try load(at: new)
      guard limit.current <= limit.maximum else { throw .EINVAL }
      let isPrivileged = identity.can(.useResources)
      guard limit.maximum <= current.maximum || isPrivileged else { throw .EPERM }
      // Linux: `sysctl_nr_open`, here the size of a table.
      let isTooMany = limit.maximum > UInt64(DescriptorTable.capacity)
      guard index != Resource.openFiles.rawValue || !isTooMany else { throw .EPERM }
      heap[target].limits[index] = limit
      if index == Resource.processorTime.rawValue { applyProcessorLimit(to: target) }
      applyLimit(limit, index, to: target)
    }
    if let old { try store(current, at: old) }
    return 0
  }

  /// Linux: `check_prlimit_permission()`.
  private func checkRight(toLimit target: Reference<Process>) throws(Errno) {
    let own = identity
    guard target != process, !own.can(.useResources) else { return }
    let other = self.identity(of: target)
    let isSame =
      other.user.isOnly(own.user.real) && other.group.isOnly(own.group.real)
    guard isSame else { throw .EPERM }
  }

  /// What the address space must know of a limit.
  private func applyLimit(
    _ limit: ResourceLimit, _ index: Int, to process: Reference<Process>
  ) {
    guard let space = heap[process].space.reference else { return }
    if index == Resource.stack.rawValue { heap[space].stackLimit = ByteCount(limit.current) }
    if index == Resource.addressSpace.rawValue {
      heap[space].pageLimit = PageCount(Int(limit.current >> 12))
    }
  }

  /// Linux: `arch_prctl`: the bases of FS and GS.
  func setThreadPointer(_ call: CallArguments) throws(Errno) -> UInt64 {
    let stack = heap[current].stack
    let limit = M.Format.userLimit.value
    switch call.first {
    case 0x1001, 0x1002:
      guard call.second < limit else { throw .EPERM }
      let name = call.first == 0x1001 ? UserRegister.secondThreadPointer : .threadPointer
      machine.setRegister(name, of: stack, to: call.second)
    case 0x1003: try store(machine.register(.threadPointer, of: stack), at: call.second)
    case 0x1004: try store(machine.register(.secondThreadPointer, of: stack), at: call.second)
    default: throw .EINVAL
    }
    return 0
  }
}
