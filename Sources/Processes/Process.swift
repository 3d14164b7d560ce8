// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import FileSystems
import IntrusiveStructures
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// A program that runs: what its threads share, its place among its relatives, its end.
///
/// Linux: `struct signal_struct` and the shared part of `struct task_struct`.
public struct Process: HeapObject {
  public static var cacheName: StaticString { "signal_cache" }
  public static var cacheIndex: Int { 10 }

  enum State: UInt8, BitwiseCopyable { case alive, zombie }

  /// Why threads of a process must end.
  enum GroupEnd: UInt8, BitwiseCopyable { case none, all, forProgram }

  public let identifier: UInt32
  var state = State.alive
  /// Its threads: the leader, alive or dead, is the first; others are here while they live.
  var tasks = LinkedList<Reference<Task>>()
  /// How many of them have not ended. Linux: `signal_struct.live`.
  var liveTaskCount = 0
  /// All threads are to end, or all but one that begins a program.
  ///
  /// Linux: `SIGNAL_GROUP_EXIT`, `group_exec_task`.
  var groupEnd = GroupEnd.none
  /// Nil for init and for the dead.
  var space = Link<AddressSpace>(nil)
  var signals = Link<SignalState>(nil)
  /// The program's file, held as long as it runs.
  var executable = Link<Inode>(nil)

  var parent = Link<Process>(nil)
  var children = LinkedList<Reference<Process>>()
  var siblingHook = ListHook<Process>()
  /// All processes, the oldest first.
  var listHook = ListHook<Process>()

  var group: UInt32
  var session: UInt32
  /// Whether it has begun a program of its own since its fork: `setpgid` of a parent ends there.
  var hasExecuted = false
  /// Who begins a program while all others end.
  var executor = Link<Task>(nil)

  /// Sent to the process as a whole.
  var pending = PendingSignals()
  /// The terminal that controls its session, as far as it knows. Linux: `signal_struct.tty`.
  var terminal = Link<Terminal>(nil)
  /// What its parent gets at its end; 0 for nothing.
  var exitSignal: UInt8 = Signal.SIGCHLD.number
  var status = WaitStatus.exited(0)
  /// A stop or a resumption that no `wait` has told yet.
  var untoldChange: WaitStatus?
  /// It was continued, and tells its parent so once it runs. Linux: `SIGNAL_CLD_CONTINUED`.
  var hasGoneOn = false
  var isStopped = false
  /// Orphans among its descendants become its children. Linux: `PR_SET_CHILD_SUBREAPER`.
  var adoptsOrphans = false
  /// Linux: `PR_SET_DUMPABLE`.
  var isDumpable = true
  /// Linux: `PR_SET_THP_DISABLE`; there are no huge pages.
  var refusesHugePages = false
  /// Linux: `task_struct.personality`; Linux's own is 0.
  var personality: UInt32 = 0
  /// Barriers that it registered for. Linux: `mm_struct.membarrier_state`.
  var registeredBarriers: UInt32 = 0
  /// Which process since boot it is: what does not come again, as its number does.
  var serial: UInt32 = 0
  /// The OOM killer chose it.
  var diedOfMemory = false

  var limits = InlineArray<16, ResourceLimit>(repeating: .unlimited)
  /// When its running time is next compared with its limit; 0 for never.
  var processorLimit: UInt64 = 0
  var outOfMemoryAdjustment: Int32 = 0
  /// What who is not the administrator may go down to. Linux: `oom_score_adj_min`.
  var smallestAdjustment: Int32 = 0
  /// What it read and wrote. Linux: `task_struct.ioac`.
  var transfer = TransferCounts()

  var started = VirtualTime.zero
  var runTime: UInt64 = 0
  /// Of `runTime`, what was in the kernel. Linux: `signal_struct.stime`.
  var systemTime: UInt64 = 0
  var childrenRunTime: UInt64 = 0
  var childrenSystemTime: UInt64 = 0
  /// Switches of its threads that have ended. Linux: `signal_struct.nvcsw`, `nivcsw`.
  var voluntarySwitchCount: UInt64 = 0
  var forcedSwitchCount: UInt64 = 0
  var childrenVoluntarySwitchCount: UInt64 = 0
  var childrenForcedSwitchCount: UInt64 = 0
  var childrenMinorFaultCount: UInt64 = 0
  var childrenMajorFaultCount: UInt64 = 0
  var childrenPeakResident: UInt64 = 0
  var peakResident: UInt64 = 0
  var minorFaultCount: UInt64 = 0
  var majorFaultCount: UInt64 = 0
  /// What SIGALRM is due by, and how often again. Linux: `ITIMER_REAL`.
  var alarm = Link<ScheduledTimer>(nil)
  var alarmInterval: UInt64 = 0
  /// Timers of processor time. Linux: `ITIMER_VIRTUAL`, `ITIMER_PROF`.
  var virtualTimer = ProcessorTimer()
  var profileTimer = ProcessorTimer()
  /// Timers of `timer_create`, the newest first.
  var programTimers = Link<ProgramTimer>(nil)
  var lastTimerNumber: UInt32 = 0

  init(identifier: UInt32, group: UInt32, session: UInt32) {
    self.identifier = identifier
    self.group = group
    self.session = session
    for index in 0..<16 {
      guard let resource = Resource(rawValue: index) else { continue }
      limits[index] = resource.initial
    }
  }
}

/// The links among the children of one process.
struct SiblingLinks<M: Machine>: ListHooks {
  let heap: ObjectHeap<M>

  func hook(of node: Reference<Process>) -> ListHook<Process> { heap[node].siblingHook }
  func withHook(of node: Reference<Process>, _ body: (inout ListHook<Process>) -> Void) {
    body(&heap[node].siblingHook)
  }
}

/// The links of the list of all processes.
struct ProcessLinks<M: Machine>: ListHooks {
  let heap: ObjectHeap<M>

  func hook(of node: Reference<Process>) -> ListHook<Process> { heap[node].listHook }
  func withHook(of node: Reference<Process>, _ body: (inout ListHook<Process>) -> Void) {
    body(&heap[node].listHook)
  }
}
