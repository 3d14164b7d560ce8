// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// What /proc needs to know of processes and of the kernel around them, and what a write to one
/// of its files changes there.
public protocol ProcessEnvironment: MemoryEnvironment {
  /// The thread that runs. Linux: `gettid`.
  var currentThread: UInt32 { get }

  /// What is known of a process; nil where there is none of that number.
  func describe(process number: UInt32) -> ProcessDescription?

  /// The process with the lowest number above a number, to list /proc.
  func firstProcess(after number: UInt32) -> UInt32?

  /// What is known of a thread, its process's facts among them; nil where there is none.
  func describe(thread number: UInt32) -> ProcessDescription?

  /// The thread of a process with the lowest number above a number, to list /proc/PID/task.
  func firstThread(after number: UInt32, of process: UInt32) -> UInt32?

  /// Visits the supplementary groups of a thread, in their order. Linux: `group_info`.
  func visitGroups(of thread: UInt32, _ body: (UInt32) -> Void)

  /// What a descriptor of a process is, not retained; nil where it is not open.
  func openFile(descriptor: UInt32, of process: UInt32) -> Reference<OpenFile>?

  /// The lowest open descriptor of a process from a number on, to list /proc/PID/fd.
  func firstDescriptor(from descriptor: UInt32, of process: UInt32) -> UInt32?

  /// Whether a descriptor is closed by `execve`.
  func closesOnExecute(descriptor: UInt32, of process: UInt32) -> Bool

  /// A resource's limit, by Linux's number of it. Linux: `/proc/PID/limits`.
  func resourceLimit(_ resource: Int, of process: UInt32) -> ResourceLimit?

  /// What the kernel counts of its own doings.
  var activity: KernelActivity { get }

  /// A word of the kernel's command line, or nil behind the last.
  func bootWord(_ index: Int) -> MemoryBlock?

  /// Gives a thread a name. Linux: `comm_write()`.
  ///
  /// - Throws: ESRCH, EINVAL unless it is of the caller's process.
  func rename(thread: UInt32, to name: InlineArray<16, UInt8>) throws(Errno)

  /// Makes a process likelier or less likely to be killed for its memory.
  ///
  /// - Throws: ESRCH, EACCES where the caller may not. Linux: `__set_oom_adj()`.
  func setOutOfMemoryAdjustment(of process: UInt32, to adjustment: Int32) throws(Errno)

  /// Drops every page of files that is clean and unused. Linux: `drop_pagecache_sb()`.
  ///
  /// Context: may sleep.
  func dropFilePages()

  /// Whether the caller may look into a process's memory. Linux: `ptrace_may_access()`.
  func mayInspect(_ process: UInt32) -> Bool
}

/// What the kernel counts of its own doings, for /proc/stat and its kin.
public struct KernelActivity: BitwiseCopyable {
  /// Nanoseconds of virtual time since boot in programs, in the kernel for them, and idle.
  public var userTime: UInt64 = 0
  public var systemTime: UInt64 = 0
  public var idleTime: UInt64 = 0
  /// Linux: `nr_context_switches()`.
  public var switchCount: UInt64 = 0
  /// Threads ever made. Linux: `total_forks`.
  public var forkCount: UInt64 = 0
  public var runnableCount: UInt32 = 1
  public var blockedCount: UInt32 = 0
  public var threadCount: UInt32 = 1
  /// The number that was given last.
  public var lastIdentifier: UInt32 = 1
  /// Linux: `threads-max`.
  public var threadLimit: UInt32 = 0
  /// Processes that were killed for their memory. Linux: `OOM_KILL`.
  public var memoryKillCount: UInt64 = 0
  /// Objects that shrinkers looked at. Linux: `SLABS_SCANNED`.
  public var scannedObjectCount: UInt64 = 0

  public init() {}
}

/// What /proc/PID says of a process or thread beyond its address space.
///
/// Linux: what `fs/proc/array.c` reads of `struct task_struct`.
public struct ProcessDescription: BitwiseCopyable {
  /// Of the thread; of a process, its first one's.
  public var number: UInt32
  /// The process it belongs to. Linux: `tgid`.
  public var leader: UInt32
  public var parent: UInt32 = 0
  /// Linux: `pgrp`.
  public var group: UInt32 = 0
  public var session: UInt32 = 0
  /// The controlling terminal's device as `stat` encodes it; 0 for none. Linux: `tty_nr`.
  public var terminal: UInt32 = 0
  /// The terminal's foreground group; -1 without a terminal. Linux: `tty_pgrp`.
  public var foregroundGroup: Int32 = -1
  /// The letter of its state: R S D Z T X.
  public var state: UInt8 = 0x53
  /// Name, NUL-padded. Linux: `comm`.
  public var name: InlineArray<16, UInt8> = InlineArray(repeating: 0)
  public var threadCount: UInt32 = 1
  public var user: UInt32 = 0
  public var userGroup: UInt32 = 0
  public var effectiveUser: UInt32 = 0
  public var effectiveGroup: UInt32 = 0
  public var savedUser: UInt32 = 0
  public var savedGroup: UInt32 = 0
  /// Linux: `fsuid`, `fsgid`.
  public var fileUser: UInt32 = 0
  public var fileGroup: UInt32 = 0
  /// A bit for each capability. Linux: `cap_inheritable` and its kin.
  public var inheritableCapabilities: UInt64 = 0
  public var permittedCapabilities: UInt64 = 0
  public var effectiveCapabilities: UInt64 = 0
  public var boundingCapabilities: UInt64 = 0
  public var ambientCapabilities: UInt64 = 0
  /// Linux: `PR_SET_NO_NEW_PRIVS`.
  public var gainsNothing = false
  public var niceness: Int32 = 0
  /// Virtual time at its start.
  public var started = VirtualTime.zero
  /// Nanoseconds of virtual time in user and kernel mode, and of its children that ended.
  public var userTime: UInt64 = 0
  public var systemTime: UInt64 = 0
  public var childrenTime: UInt64 = 0
  public var childrenSystemTime: UInt64 = 0
  /// Of its children that ended, and theirs.
  public var childrenMinorFaultCount: UInt64 = 0
  public var childrenMajorFaultCount: UInt64 = 0
  /// Of the thread alone, and of the whole process.
  public var ownPendingSignals: UInt64 = 0
  public var pendingSignals: UInt64 = 0
  public var queuedSignalCount: UInt32 = 0
  public var blockedSignals: UInt64 = 0
  public var ignoredSignals: UInt64 = 0
  public var caughtSignals: UInt64 = 0
  public var outOfMemoryAdjustment: Int32 = 0
  /// Linux: `/proc/PID/oom_score`.
  public var outOfMemoryScore: UInt32 = 0
  public var fileCreationMask: UInt32 = 0o022
  /// Slots of the descriptor table, and how many are in use.
  public var descriptorSlotCount: UInt32 = 64
  public var descriptorCount: UInt32 = 0
  public var exitSignal: UInt32 = 17
  public var exitCode: UInt32 = 0
  /// Linux: `nvcsw`, `nivcsw`.
  public var voluntarySwitchCount: UInt64 = 0
  public var forcedSwitchCount: UInt64 = 0
  /// Linux: `/proc/PID/io`.
  public var transfer = TransferCounts()
  /// It sleeps in the kernel. Linux: `get_wchan()`.
  public var sleeps = false
  /// Linux: `PF_FORKNOEXEC` and its kin.
  public var flags: UInt32 = 0
  /// Nil for the kernel's own and for the dead.
  public var space: Reference<AddressSpace>?
  /// The program's file, of the address space. Linux: `mm->exe_file`.
  public var executable: Reference<Inode>?
  public var workingFolder: Reference<Inode>?

  public init(number: UInt32) {
    self.number = number
    leader = number
  }
}

/// What a process read and wrote; pages that it made dirty count as written to the disk.
///
/// Linux: `struct task_io_accounting`.
public struct TransferCounts: BitwiseCopyable, Sendable {
  public var readBytes: UInt64 = 0
  public var writtenBytes: UInt64 = 0
  public var readCalls: UInt64 = 0
  public var writeCalls: UInt64 = 0
  public var diskReadBytes: UInt64 = 0
  public var diskWrittenBytes: UInt64 = 0
  /// Of what was to be written, what went before it was.
  public var cancelledBytes: UInt64 = 0

  public init() {}
}
