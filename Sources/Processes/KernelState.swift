// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import DeviceMemory
import FileSystems
import IntrusiveStructures
import KernelHeap
import KernelMappings
import LinuxABI
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames
import PageTables

/// All that a kernel has beside its heap: the layers below, who runs, who waits for what.
///
/// It is touched only between sleeps, under the one kernel lock that a single CPU is.
struct KernelState<M: Machine>: BitwiseCopyable {
  let machine: M
  let frames: PageFrames<M>
  let heap: ObjectHeap<M>
  let tables: PageTables<M>
  let mappings: KernelMappings<M>
  let devices: DeviceMemory<M>
  let memory: Resident<MemoryState>
  let files: Resident<FileSystemState>

  // Scheduling
  var current: Reference<Task>
  var exitWork = ExitWork.nothing
  var runQueue = LinkedList<Reference<Task>>()
  /// Sleepers by a hash of their key. Linux: `bit_wait_table`.
  let sleepers: ResidentArray<LinkedList<Reference<Task>>>
  /// Who waits for words of memory, by a hash of the word's key. Linux: `futex_queues`.
  let futexes: ResidentArray<LinkedList<Reference<Task>>>
  /// How many of them wait for locks that know their owner.
  var lockWaiterCount = 0
  /// Tasks that wait for a time, the earliest first.
  var timed = OrderedTree<Reference<Task>>()
  var diskEvents: DiskEvents
  /// What is due at a time, the earliest first.
  var timers = OrderedTree<Reference<ScheduledTimer>>()
  var timerSequence: UInt64 = 0
  /// When the host is to be looked at again.
  var nextHostLook = VirtualTime.never
  var sliceEnd = VirtualTime.never
  /// When the running task last came into the kernel.
  var enteredKernel = VirtualTime.zero
  /// Where the program begins, until it has executed an instruction.
  var entry: UInt64?
  /// What the machine's timer is set to.
  var armed = VirtualTime.never
  /// Time that passed although nobody ran. Linux: `CPUTIME_IDLE`.
  var idleNanoseconds: UInt64 = 0
  /// In the kernel for its tasks. Linux: `CPUTIME_SYSTEM`.
  var systemNanoseconds: UInt64 = 0
  /// The page table that is active.
  var activeRoot: PageFrameNumber

  /// Linux: `nr_switches`.
  var switchCount: UInt64 = 0
  /// Linux: `total_forks`.
  var forkCount: UInt64 = 0
  /// Linux: `OOM_KILL`.
  var memoryKillCount: UInt64 = 0

  /// The flusher sleeps without an end.
  var isFlusherIdle = false
  /// Kernel tasks beside the first.
  var kernelTaskCount = 0

  // Processes
  var processes = LinkedList<Reference<Process>>()
  /// Tasks by their number. Linux: `struct pid_namespace`'s `idr`.
  let buckets: ResidentArray<Link<Task>>
  /// Tasks of all processes, dead leaders among them. Linux: `nr_threads`.
  var taskCount = 0
  var lastIdentifier: UInt32 = 0
  var lastSerial: UInt32 = 0
  /// The numbers ran out once, so that the next one may be in use.
  var numbersComeAgain = false
  /// A task that has ended and whose stack nobody runs on once the next one runs.
  var deadTask = Link<Task>(nil)
  var initProcess: Reference<Process>
  /// The program that the machine was started for, once it has begun.
  var programIdentifier: UInt32 = 0
  var programStatus: WaitStatus?
  var programDiedOfMemory = false

  // Signals
  /// Signals that wait with what came with them.
  var queuedSignalCount = 0
  /// Signals that the host forwarded and that were taken.
  var forwardedCount: UInt64 = 0

  // Sundries
  /// A boot word that the machine cannot be started with.
  var refusedWord: RefusedWord?
  var shrinkers = ShrinkerStates()
  /// When what CPUs keep of objects is looked through again; Linux's interval is two seconds.
  var nextReaping = VirtualTime.never
  /// Misuses of objects that the kernel's own log tells of.
  var writtenFaultCount = 0
  /// Boot word `audit`: the memory is checked at the end of every process.
  var audits = false
  /// A bit for each unknown call that was named in the log already.
  var namedCalls = InlineArray<9, UInt64>(repeating: 0)
}

/// What must be looked at before a task goes back to its program.
struct ExitWork: FlagSet, BitwiseCopyable {
  let rawValue: UInt8

  static var nothing: Self { Self(rawValue: 0) }
  /// A signal may be pending for the task that runs.
  static var signals: Self { Self(rawValue: 1) }
  /// The timer may have to be set anew.
  static var timer: Self { Self(rawValue: 2) }
  /// Somebody else's turn.
  static var reschedule: Self { Self(rawValue: 4) }
}
