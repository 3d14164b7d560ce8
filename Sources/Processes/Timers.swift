// SPDX-License-Identifier: Apache-2.0

import FileSystems
import IntrusiveStructures
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// A timer of the time that a process runs. Linux: `struct cpu_itimer`.
struct ProcessorTimer: BitwiseCopyable {
  /// When it is due, in the process's running time; 0 where it is not set.
  var deadline: UInt64 = 0
  var interval: UInt64 = 0
}

/// A timer of `timer_create`. Linux: `struct k_itimer`.
struct ProgramTimer: HeapObject {
  static var cacheName: StaticString { "posix_timers_cache" }
  static var cacheIndex: Int { 61 }

  let number: UInt32
  let process: Reference<Process>
  let isWallClock: Bool
  /// Nil for SIGEV_NONE.
  let signal: Signal?
  /// The thread that gets it, 0 for the process. Linux: `SIGEV_THREAD_ID`.
  let task: UInt32
  let value: UInt64
  var timer = Link<ScheduledTimer>(nil)
  var interval: UInt64 = 0
  /// Expirations beyond the first of the signal that was taken last.
  var overruns: UInt32 = 0
  /// Its signal is pending, and it is started again when that is taken.
  var isPending = false
  var next = Link<ProgramTimer>(nil)
}

/// The queue of what is due at a time.
///
/// Linux: `kernel/time/hrtimer.c`.
extension Kernel {
  private var timerLinks: ScheduledTimerLinks<M> { ScheduledTimerLinks(heap: heap) }

  public func start(_ timer: Reference<ScheduledTimer>, at time: VirtualTime) {
    state.value.timerSequence += 1
    heap[timer].sequence = state.value.timerSequence
    heap[timer].deadline = time
    heap[timer].isQueued = true
    let heap = heap
    state.value.timers.insert(timer, in: timerLinks) { time < heap[$0].deadline }
    state.value.exitWork.formUnion(.timer)
  }

  public func stop(_ timer: Reference<ScheduledTimer>) {
    guard heap[timer].isQueued else { return }
    heap[timer].isQueued = false
    state.value.timers.remove(timer, in: timerLinks)
    state.value.exitWork.formUnion(.timer)
  }

  /// When the first timer is due.
  var nextTimer: VirtualTime {
    guard let timer = state.value.timers.first(in: timerLinks) else { return .never }
    return heap[timer].deadline
  }

  /// Tells the owners of all timers whose time has come. Context: any; does not sleep.
  func takeTimers(at now: VirtualTime) {
    while let timer = state.value.timers.first(in: timerLinks), heap[timer].deadline <= now {
      stop(timer)
      let raw = heap[timer].ownerRaw
      switch heap[timer].owner {
      case .file: fileSystems.timerExpired(raw)
      case .alarm: sendFromKernel(.SIGALRM, to: Reference(raw: raw))
      case .program: expire(Reference<ProgramTimer>(raw: raw))
      }
    }
  }

  // ITIMER_REAL

  /// The process's alarm, made when it is first needed.
  func alarmTimer() throws(Errno) -> Reference<ScheduledTimer> {
    let process = process
    if let timer = heap[process].alarm.reference { return timer }
    let timer = try allocate(ScheduledTimer(.alarm, process.raw))
    heap[process].alarm = Link(timer)
    return timer
  }

  /// Begins the next interval once SIGALRM is taken: nobody falls behind.
  func restartAlarm() {
    let interval = heap[process].alarmInterval
    guard interval > 0, let timer = heap[process].alarm.reference, !heap[timer].isQueued,
      heap[timer].deadline != .never
    else { return }
    start(timer, at: following(heap[timer].deadline, interval))
  }

  /// The first time after now that lies a whole number of intervals after another.
  private func following(_ time: VirtualTime, _ interval: UInt64) -> VirtualTime {
    let now = machine.now.nanoseconds
    let passed = now > time.nanoseconds ? (now - time.nanoseconds) / interval : 0
    return time.advanced(byNanoseconds: (passed + 1) * interval)
  }

  // ITIMER_VIRTUAL, ITIMER_PROF

  /// How long the running process ran, up to now.
  var runTimeNow: UInt64 {
    charge(current, until: machine.now)
    return heap[process].runTime
  }

  /// When a timer of processor time interrupts the program that runs.
  var nextProcessorTimer: VirtualTime {
    let process = process
    let deadline = min(
      heap[process].processorLimit &- 1,
      min(heap[process].virtualTimer.deadline &- 1, heap[process].profileTimer.deadline &- 1))
    guard deadline != .max else { return .never }
    let ran = runTimeNow
    return machine.now.advanced(byNanoseconds: deadline &+ 1 > ran ? deadline &+ 1 - ran : 0)
  }

  /// Linux: `check_cpu_itimer()`.
  func takeProcessorTimers() {
    let process = process
    let timers = heap[process].virtualTimer.deadline | heap[process].profileTimer.deadline
    guard timers | heap[process].processorLimit != 0 else { return }
    let ran = runTimeNow
    checkProcessorLimit(of: process, ran)
    var timer = heap[process].profileTimer
    if expire(&timer, ran) { sendFromKernel(.SIGPROF, to: process) }
    heap[process].profileTimer = timer
    timer = heap[process].virtualTimer
    if expire(&timer, ran) { sendFromKernel(.SIGVTALRM, to: process) }
    heap[process].virtualTimer = timer
  }

  private func expire(_ timer: inout ProcessorTimer, _ ran: UInt64) -> Bool {
    guard timer.deadline != 0, timer.deadline <= ran else { return false }
    timer.deadline = timer.interval == 0 ? 0 : timer.deadline + timer.interval
    return true
  }

  // Timers of programs

  /// Linux: `posix_timer_fn()`.
  private func expire(_ owner: Reference<ProgramTimer>) {
    guard let signal = heap[owner].signal else { return }
    let process = heap[owner].process
    let information = SignalInformation(
      signal, code: SignalInformation.fromTimer, sender: heap[owner].number, user: 0,
      value: heap[owner].value)
    var isTaken = true
    if let signals = heap[process].signals.reference { isTaken = !heap[signals].ignores(signal) }
    heap[owner].isPending = isTaken
    if heap[owner].task != 0 {
      guard let task = findTask(heap[owner].task) else { return }
      send(information, to: task, .kernel)
    } else {
      send(information, to: process, .kernel)
    }
    // What is ignored is never taken, so the next interval begins here.
    if !isTaken, heap[owner].interval > 0, let timer = heap[owner].timer.reference {
      start(timer, at: following(heap[timer].deadline, max(heap[owner].interval, 1_000_000)))
    }
  }

  /// A timer of the running process.
  func programTimer(_ number: UInt64) throws(Errno) -> Reference<ProgramTimer> {
    var next = heap[process].programTimers.reference
    while let timer = next {
      if heap[timer].number == UInt32(truncatingIfNeeded: number) { return timer }
      next = heap[timer].next.reference
    }
    throw .EINVAL
  }

  /// A timer's signal is taken: it counts what passed meanwhile, and goes on.
  ///
  /// Linux: `posixtimer_rearm()`.
  func restartTimer(_ information: inout SignalInformation) {
    guard let owner = try? programTimer(UInt64(information.sender)), heap[owner].isPending,
      let timer = heap[owner].timer.reference
    else { return }
    heap[owner].isPending = false
    heap[owner].overruns = 0
    let interval = heap[owner].interval
    guard interval > 0 else { return }
    let deadline = heap[timer].deadline
    let next = following(deadline, interval)
    let passed = (next.nanoseconds - deadline.nanoseconds) / interval - 1
    heap[owner].overruns = UInt32(min(passed, UInt64(Int32.max)))
    information.first = UInt64(information.sender) | UInt64(heap[owner].overruns) << 32
    start(timer, at: next)
  }

  func free(_ owner: Reference<ProgramTimer>) {
    let process = heap[owner].process
    if heap[process].programTimers.reference == owner {
      heap[process].programTimers = heap[owner].next
    } else {
      var next = heap[process].programTimers.reference
      while let candidate = next {
        next = heap[candidate].next.reference
        if next == owner { heap[candidate].next = heap[owner].next }
      }
    }
    if let timer = heap[owner].timer.reference {
      stop(timer)
      heap.free(timer)
    }
    heap.free(owner)
  }

  /// A new program has none of its predecessor's. Linux: `exit_itimers()`.
  func freeProgramTimers(of process: Reference<Process>) {
    while let timer = heap[process].programTimers.reference { free(timer) }
  }

  func freeTimers(of process: Reference<Process>) {
    freeProgramTimers(of: process)
    guard let timer = heap[process].alarm.reference else { return }
    heap[process].alarm = Link(nil)
    stop(timer)
    heap.free(timer)
  }
}
