// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// One thread of control: a kernel stack, and registers while it does not run.
///
/// What the threads of a program share is its `Process`. A task is in the run queue, or in one
/// sleepers' list, or in neither (running, stopped, dead).
///
/// Linux: `struct task_struct`, the part that is not shared.
public struct Task: HeapObject {
  public static var cacheName: StaticString { "task_struct" }
  public static var cacheIndex: Int { 9 }

  enum State: UInt8, BitwiseCopyable {
    /// It runs, or is in the run queue.
    case runnable
    case sleeping
    /// It sleeps, and a signal may end that.
    case sleepingInterruptibly
    /// It sleeps, and only its death may end that. Linux: `TASK_KILLABLE`.
    case sleepingUntilKilled
    /// Stopped by a signal until SIGCONT.
    case stopped
    case dead
  }

  /// Why a sleep ended.
  enum WakeReason: UInt8, BitwiseCopyable { case woken, timedOut, interrupted }

  /// What becomes of a system call that a signal interrupted, if no handler runs or one does.
  enum Restart: UInt8, BitwiseCopyable {
    /// The call was not interrupted.
    case none
    /// Again, unless a handler without SA_RESTART ran. Linux: `ERESTARTSYS`.
    case system
    /// Again, unless a handler ran. Linux: `ERESTARTNOHAND`.
    case withoutHandler
    /// Again, whatever ran. Linux: `ERESTARTNOINTR`.
    case always
  }

  /// Linux: `task_pid()`, what `gettid` returns. The leader's is its process's.
  var identifier: UInt32
  var process: Reference<Process>
  let stack: KernelStack
  /// False once a dead leader, which stays for its number, has given its stack back.
  var hasStack = true
  /// The threads of its process, the leader first.
  var threadHook = ListHook<Task>()
  /// Those whose numbers fall into the same bucket.
  var bucketNext = Link<Task>(nil)

  /// NUL-padded. Linux: `comm`.
  var name = InlineArray<16, UInt8>(repeating: 0)
  /// As whom it acts. Linux: `task_struct.cred`.
  var identity = Identity()
  /// Its parent sleeps until it begins a program or ends. Linux: `CLONE_VFORK`.
  var holdsParent = false
  /// What it passed to `exit`; the last one's is its process's unless all were told to end.
  var status = WaitStatus.exited(0)

  /// Nil for the kernel's own and for the dead. Linux: `task_struct.files`.
  var descriptors = Link<DescriptorTable>(nil)
  /// Nil for the kernel's own and for the dead. Linux: `task_struct.fs`.
  var folder = Link<FolderContext>(nil)
  var state = State.runnable
  var wakeReason = WakeReason.woken
  /// It has not run since it was made.
  var isFresh = true

  /// What it sleeps on: a `SleepKey`'s value.
  var key: UInt64 = 0
  var deadline = VirtualTime.never
  var queueHook = ListHook<Task>()
  var timedHook = TreeHook<Task>()

  /// Sent to this task alone, and not yet delivered.
  var pending = PendingSignals()
  var blocked = SignalSet.empty
  /// What `rt_sigtimedwait` waits for. Linux: `real_blocked`, the other way round.
  var waitedSignals = SignalSet.empty
  /// The mask to restore once a handler has its frame. Linux: `saved_sigmask`.
  var savedMask: SignalSet?
  var alternateStack = SignalStack(base: 0, flags: SignalStack.disabled, byteCount: 0)
  var interrupted = Restart.none
  /// When an interrupted sleep was to end, for its repetition. Linux: `restart_block`.
  var restartDeadline = VirtualTime.never

  /// The latest end of interruptible sleeps, for a `poll` with a limit.
  var waitLimit = VirtualTime.never

  var futex = FutexWait()
  /// Locks to give back at the end, in the program's memory. Linux: `robust_list`.
  var robustList: UInt64 = 0
  var restartable = RestartableSequences()

  /// Where to store 0 and wake a futex at the end. Linux: `clear_child_tid`.
  var clearIdentifierAt = VirtualAddress(0)
  /// How often it gave the CPU away, and how often it was taken. Linux: `nvcsw`, `nivcsw`.
  var voluntarySwitchCount: UInt64 = 0
  var forcedSwitchCount: UInt64 = 0
  /// Nanoseconds for which it had the CPU.
  var runTime: UInt64 = 0
  /// Those of them for which it was in the kernel. Linux: `stime`.
  var systemTime: UInt64 = 0
  var schedule = Scheduling()
  /// What it gets when its parent ends. Linux: `PR_SET_PDEATHSIG`.
  var parentEndSignal: Signal?
  /// Linux: `PR_SET_TIMERSLACK`; no timer here is ever late.
  var timerSlack: UInt64 = 50_000
  /// When it last got the CPU.
  var startedRunning = VirtualTime.zero

  init(identifier: UInt32, process: Reference<Process>, stack: KernelStack) {
    self.identifier = identifier
    self.process = process
    self.stack = stack
  }
}

/// The links among the threads of one process.
struct ThreadLinks<M: Machine>: ListHooks {
  let heap: ObjectHeap<M>

  func hook(of node: Reference<Task>) -> ListHook<Task> { heap[node].threadHook }
  func withHook(of node: Reference<Task>, _ body: (inout ListHook<Task>) -> Void) {
    body(&heap[node].threadHook)
  }
}

/// The links of the run queue and of the lists of sleepers.
struct QueueLinks<M: Machine>: ListHooks {
  let heap: ObjectHeap<M>

  func hook(of node: Reference<Task>) -> ListHook<Task> { heap[node].queueHook }
  func withHook(of node: Reference<Task>, _ body: (inout ListHook<Task>) -> Void) {
    body(&heap[node].queueHook)
  }
}

/// The links of the tree of tasks that wait for a time.
struct TimedLinks<M: Machine>: TreeHooks {
  let heap: ObjectHeap<M>

  func hook(of node: Reference<Task>) -> TreeHook<Task> { heap[node].timedHook }
  func withHook(of node: Reference<Task>, _ body: (inout TreeHook<Task>) -> Void) {
    body(&heap[node].timedHook)
  }
}
