// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import FileSystems
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// The system calls that keep a program's pages in memory.
///
/// Linux: `mm/mlock.c`.
extension Kernel {
  /// What the running task may have locked: all that there is, with the right to.
  public var lockLimit: ByteCount {
    if identity.can(.lockMemory) { return ByteCount(.max) }
    return ByteCount(heap[process].limits[Resource.lockedMemory.rawValue].current)
  }

  /// Linux: `mlock`.
  ///
  /// - Context: may sleep.
  func lockMemory(_ call: CallArguments) throws(Errno) -> UInt64 {
    try lock(call, .present)
  }

  /// Linux: `mlock2`.
  ///
  /// - Context: may sleep.
  func lockMemoryWithFlags(_ call: CallArguments) throws(Errno) -> UInt64 {
    switch call.third & 0xFFFF_FFFF {
    case 0: return try lock(call, .present)
    case 1: return try lock(call, .onFault)
    default: throw .EINVAL
    }
  }

  /// Linux: `munlock`.
  func unlockMemory(_ call: CallArguments) throws(Errno) -> UInt64 {
    do {
      try spaces.unlock(
        space, from: VirtualAddress(call.first), byteCount: ByteCount(call.second))
    } catch {
      throw Errno(error)
    }
    return 0
  }

  /// Linux: `mlockall`.
  ///
  /// - Context: may sleep.
  func lockAllMemory(_ call: CallArguments) throws(Errno) -> UInt64 {
    do {
      try spaces.lockAll(
        space, LockChoice(rawValue: UInt32(truncatingIfNeeded: call.first)))
    } catch {
      throw Errno(error)
    }
    return 0
  }

  /// Linux: `munlockall`.
  func unlockAllMemory() -> UInt64 {
    spaces.unlockAll(space)
    return 0
  }

  private func lock(_ call: CallArguments, _ manner: LockManner) throws(Errno) -> UInt64 {
    do {
      try spaces.lock(
        space, from: VirtualAddress(call.first), byteCount: ByteCount(call.second), manner)
    } catch {
      throw Errno(error)
    }
    return 0
  }
}
