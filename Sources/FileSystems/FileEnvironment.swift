// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import Machine
import MemoryUnits

/// What file systems and disks need of the kernel around them.
///
/// The kernel forwards `startReading` to `FileSystems.startReading`, and calls
/// `FileSystems.diskCompleted` when the time that it was asked to note has come.
public protocol FileEnvironment: ProcessEnvironment {
  /// The state of this layer.
  var files: Resident<FileSystemState> { get }

  /// Notes that `FileSystems.diskCompleted(tag)` is to be called at a time. Events of the same
  /// time are taken in the order in which they were noted.
  func schedule(diskCompletion tag: UInt16, at time: VirtualTime)

  /// Sleeps on a key until somebody wakes it or a signal comes; false for a signal.
  ///
  /// Context: may sleep; it may return earlier, so callers look again.
  func sleepInterruptibly(on key: SleepKey) -> Bool

  /// Where the running process's files must end. Linux: `RLIMIT_FSIZE`.
  var fileByteLimit: UInt64 { get }

  /// Whether the running process may use what a disk keeps for the administrator.
  var mayUseReserve: Bool { get }

  /// Tells the running process that it wanted to go beyond that. Linux: `SIGXFSZ`.
  func fileByteLimitExceeded()
}

extension FileEnvironment {
  public var fileByteLimit: UInt64 { .max }
  public func fileByteLimitExceeded() {}
  public var mayUseReserve: Bool { true }
}
