// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import Machine
import MemoryUnits

/// What file systems and disks need of the kernel around them.
///
/// The kernel forwards `startReading` to `FileSystems.startReading`, and calls
/// `FileSystems.diskCompleted` when the time that it was asked to note has come.
public protocol FileEnvironment: MemoryEnvironment {
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

  /// Tells the running process that it wanted to go beyond that. Linux: `SIGXFSZ`.
  func fileByteLimitExceeded()

  // For /proc

  /// What is known of a process; nil where there is none of that number.
  func describe(process number: UInt32) -> ProcessDescription?

  /// The process with the lowest number above a number, to list /proc.
  func firstProcess(after number: UInt32) -> UInt32?

  /// What a descriptor of a process is, not retained; nil where it is not open.
  func openFile(descriptor: UInt32, of process: UInt32) -> Reference<OpenFile>?

  /// The lowest open descriptor of a process from a number on, to list /proc/PID/fd.
  func firstDescriptor(from descriptor: UInt32, of process: UInt32) -> UInt32?
}

extension FileEnvironment {
  public var fileByteLimit: UInt64 { .max }
  public func fileByteLimitExceeded() {}
}

/// What /proc/PID says of a process beyond its address space.
///
/// Linux: what `fs/proc/array.c` reads of `struct task_struct`.
public struct ProcessDescription: BitwiseCopyable {
  public var number: UInt32
  public var parent: UInt32 = 0
  /// Linux: `pgrp`.
  public var group: UInt32 = 0
  public var session: UInt32 = 0
  /// The letter of its state: R S D Z T X.
  public var state: UInt8 = 0x53
  /// Name, NUL-padded. Linux: `comm`.
  public var name: InlineArray<16, UInt8> = InlineArray(repeating: 0)
  public var threadCount: UInt32 = 1
  public var user: UInt32 = 0
  public var userGroup: UInt32 = 0
  public var niceness: Int32 = 0
  /// Virtual time at its start.
  public var started = VirtualTime.zero
  /// Nanoseconds of virtual time in user and kernel mode.
  public var userTime: UInt64 = 0
  public var systemTime: UInt64 = 0
  public var pendingSignals: UInt64 = 0
  public var blockedSignals: UInt64 = 0
  public var ignoredSignals: UInt64 = 0
  public var caughtSignals: UInt64 = 0
  public var outOfMemoryAdjustment: Int32 = 0
  public var fileCreationMask: UInt32 = 0o022
  /// Slots of the descriptor table.
  public var descriptorSlotCount: UInt32 = 64
  public var exitSignal: UInt32 = 17
  public var exitCode: UInt32 = 0
  /// Nil for the kernel's own and for the dead.
  public var space: Reference<AddressSpace>?
  /// The program's file, of the address space. Linux: `mm->exe_file`.
  public var executable: Reference<Inode>?
  public var workingFolder: Reference<Inode>?

  public init(number: UInt32) { self.number = number }
}
