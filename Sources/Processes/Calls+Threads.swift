// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import FileSystems
import IntrusiveStructures
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageTableFormats

/// The system calls that begin threads and take them apart.
extension Kernel {
  /// Linux: `clone3`.
  func cloneWithStructure(_ call: CallArguments) throws(Errno) -> UInt64 {
    guard call.second <= 4096 else { throw .E2BIG }
    guard call.second >= CloneArguments.smallestByteCount else { throw .EINVAL }
    let arguments = try load(over: CloneArguments(), at: call.first, byteCount: call.second)
    let flags = CloneFlags(rawValue: arguments.flags)
    guard flags.isDisjoint(with: CloneFlags(rawValue: 0xFF).union(.detached)) else {
      throw .EINVAL
    }
    guard arguments.exitSignal <= 64 else { throw .EINVAL }
    if flags.contains(.thread) || flags.contains(.parent) {
      guard arguments.exitSignal == 0 else { throw .EINVAL }
    }
    guard (arguments.stack == 0) == (arguments.stackByteCount == 0) else { throw .EINVAL }
    let (top, overflow) = arguments.stack.addingReportingOverflow(arguments.stackByteCount)
    guard !overflow, top <= M.Format.userLimit.value else { throw .EINVAL }
    return try clone(
      ForkRequest(
        flags: flags, exitSignal: UInt8(arguments.exitSignal), stack: top,
        parentIdentifierAt: arguments.parentIdentifierAt,
        childIdentifierAt: arguments.childIdentifierAt,
        threadPointer: arguments.threadPointer, descriptorAt: arguments.descriptorAt,
        identifier: try wantedIdentifier(arguments)))
  }

  /// The number that the child is to have; nil for any. Linux: `set_tid`.
  private func wantedIdentifier(_ arguments: CloneArguments) throws(Errno) -> UInt32? {
    guard arguments.identifierCount <= 32 else { throw .EINVAL }
    guard (arguments.identifiersAt == 0) == (arguments.identifierCount == 0) else {
      throw .EINVAL
    }
    guard arguments.identifierCount > 0 else { return nil }
    // There is one namespace of numbers.
    guard arguments.identifierCount == 1 else { throw .EINVAL }
    let wish: Int32 = try load(at: arguments.identifiersAt)
    guard wish >= 1, wish < Int32(Self.identifierLimit) else { throw .EINVAL }
    guard heap[current].identity.can(.administerSystem) else { throw .EPERM }
    guard !isUsed(UInt32(wish)) else { throw .EEXIST }
    return UInt32(wish)
  }

  /// Linux: `unshare`, as far as what tasks share is not about namespaces.
  func unshare(_ call: CallArguments) throws(Errno) -> UInt64 {
    let task = current
    let wish = CloneFlags(rawValue: call.first)
    let possible = CloneFlags.folder.union(.files).union(.memory).union(.handlers)
      .union(.thread).union(.semaphores)
    guard wish.isSubset(of: possible) else { throw .EINVAL }
    // A thread cannot leave its process, nor a process share with itself alone.
    if wish.contains(.thread) || wish.contains(.handlers) || wish.contains(.memory) {
      guard heap[process].liveTaskCount == 1 else { throw .EINVAL }
    }
    if wish.contains(.handlers), let signals = heap[process].signals.reference {
      guard heap[signals].users == 1 else { throw .EINVAL }
    }
    if wish.contains(.memory) { guard heap[space].users == 1 else { throw .EINVAL } }
    if wish.contains(.folder), let folder = heap[task].folder.reference, heap[folder].users > 1 {
      heap[task].folder = Link(try duplicate(folder))
      release(folder)
    }
    if wish.contains(.files), heap[descriptors].users > 1 {
      let old = descriptors
      heap[task].descriptors = Link(try duplicate(old))
      release(old)
    }
    return 0
  }
}
