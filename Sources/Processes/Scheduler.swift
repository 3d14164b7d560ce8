// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import IntrusiveStructures
import KernelHeap
import Machine
import MemoryUnits

/// Who runs: a queue of those that can, lists of those that wait, and time that jumps when
/// nobody can run.
///
/// The kernel is not preemptive: a task in the kernel runs until it sleeps. User code is, by
/// slices of virtual time.
///
/// Linux: `kernel/sched/core.c`, `kernel/sched/wait.c`, with one policy, SCHED_RR.
extension Kernel {
  private var queueLinks: QueueLinks<M> { QueueLinks(heap: heap) }
  private var timedLinks: TimedLinks<M> { TimedLinks(heap: heap) }

  /// Who sleeps until the earliest time.
  ///
  /// - Complexity: O(log n).
  var firstTimed: Reference<Task>? { state.value.timed.first(in: timedLinks) }

  private func bucket(of key: UInt64) -> Int { Int((key ^ (key >> 6) ^ (key >> 32)) & 63) }

  /// Puts the running task to sleep on a key until it is woken, a time comes, or a signal.
  ///
  /// - Context: may sleep; not inside a lock or an exclusive access.
  func suspend(
    on key: UInt64, _ kind: Task.State, until deadline: VirtualTime
  ) -> Task.WakeReason {
    let task = current
    switch kind {
    case .sleepingInterruptibly: if hasDeliverableSignal(task) { return .interrupted }
    case .sleepingUntilKilled: if isDying(task) { return .interrupted }
    default: break
    }
    heap[task].state = kind
    heap[task].key = key
    heap[task].deadline = deadline
    state.value.sleepers[bucket(of: key)].pushBack(task, in: queueLinks)
    if deadline != .never { insertTimed(task) }
    reschedule()
    return heap[task].wakeReason
  }

  private func insertTimed(_ task: Reference<Task>) {
    let deadline = heap[task].deadline
    let heap = heap
    state.value.timed.insert(task, in: timedLinks) { deadline < heap[$0].deadline }
    state.value.exitWork.formUnion(.timer)
  }

  /// Wakes those that sleep on a key, in the order in which they fell asleep; how many.
  @discardableResult
  func wakeSleepers(on key: UInt64, atMost limit: Int = .max) -> Int {
    var count = 0
    var next = state.value.sleepers[bucket(of: key)].first
    while let task = next, count < limit {
      next = heap[task].queueHook.next.reference
      guard heap[task].key == key else { continue }
      awaken(task, .woken)
      count += 1
    }
    return count
  }

  /// Ends a task's sleep.
  ///
  /// - Precondition: it sleeps.
  func awaken(_ task: Reference<Task>, _ reason: Task.WakeReason) {
    state.value.sleepers[bucket(of: heap[task].key)].remove(task, in: queueLinks)
    if heap[task].deadline != .never {
      state.value.timed.remove(task, in: timedLinks)
      heap[task].deadline = .never
    }
    heap[task].wakeReason = reason
    makeRunnable(task)
  }

  /// Puts a task that is in no list at the end of the run queue.
  func makeRunnable(_ task: Reference<Task>) {
    heap[task].state = .runnable
    state.value.runQueue.pushBack(task, in: queueLinks)
    // Whoever runs alone has no slice yet.
    state.value.exitWork.formUnion(.timer)
  }

  /// Lets another run, the caller at the end of the queue. Linux: `sched_yield()`.
  func yield() {
    guard !state.value.runQueue.isEmpty else { return }
    makeRunnable(current)
    reschedule()
  }

  /// Runs the next task; returns when it is this one's turn again.
  ///
  /// With nobody runnable, time jumps to the next event. With none either, all wait for ever.
  ///
  /// - Precondition: the running task is in a list, or dead.
  func reschedule() {
    var wasIdle = false
    while true {
      takeDueEvents()
      if let next = state.value.runQueue.popFront(in: queueLinks) {
        switchTo(next, isCounted: wasIdle)
        return
      }
      let time = nextEventTime
      if waitsForHost(until: time) { continue }
      guard time != .never else { stopForDeadlock() }
      if !wasIdle {
        // To the task that does nothing, which others run instead of here.
        state.value.switchCount &+= 1
        heap[current].voluntarySwitchCount &+= 1
        wasIdle = true
      }
      idle(until: time)
    }
  }

  /// Lets time pass in which nobody runs: it is not charged to the one that ran last.
  func idle(until time: VirtualTime) {
    let before = machine.now
    let task = current
    chargeSystem(task, until: before)
    charge(task, until: before)
    machine.advance(to: time)
    let now = machine.now
    heap[task].startedRunning = now
    state.value.enteredKernel = now
    state.value.idleNanoseconds &+= now.nanoseconds &- before.nanoseconds
  }

  /// - Parameter isCounted: that the running task gave the CPU away is.
  private func switchTo(_ next: Reference<Task>, isCounted: Bool) {
    let previous = current
    let now = machine.now
    state.value.sliceEnd = now.advanced(byNanoseconds: heap[next].schedule.sliceNanoseconds)
    // What the last one left to do was its own; a wish to reschedule has just been granted.
    state.value.exitWork = .signals.union(.timer)
    guard next != previous else { return }
    chargeSystem(previous, until: now)
    charge(previous, until: now)
    state.value.switchCount &+= 1
    if isCounted {
      // It slept while nobody else could run.
    } else if heap[previous].state == .runnable {
      heap[previous].forcedSwitchCount &+= 1
    } else {
      heap[previous].voluntarySwitchCount &+= 1
    }
    heap[next].startedRunning = now
    state.value.current = next
    if heap.isWatched { heap.setProcess(heap[heap[next].process].identifier) }
    activateSpace(of: heap[next].process)
    if heap[next].isFresh {
      heap[next].isFresh = false
      // It goes straight to its program: a signal is then taken at the first instruction.
      setTimer(hasDeliverableSignal(next) ? now : wantedTimer)
      if state.value.entry != nil { noteStart() }
    }
    machine.switchContext(from: heap[previous].stack, to: heap[next].stack)
    freeDeadTask()
  }

  /// Adds what a task ran to its process's time.
  func charge(_ task: Reference<Task>, until now: VirtualTime) {
    let start = heap[task].startedRunning.nanoseconds
    heap[heap[task].process].runTime &+= now.nanoseconds &- start
    heap[task].runTime &+= now.nanoseconds &- start
    heap[task].startedRunning = now
  }

  /// Adds what a task was in the kernel to its time there.
  func chargeSystem(_ task: Reference<Task>, until now: VirtualTime) {
    let passed = now.nanoseconds &- state.value.enteredKernel.nanoseconds
    heap[task].systemTime &+= passed
    state.value.systemNanoseconds &+= passed
    state.value.enteredKernel = now
  }

  /// Makes a process's memory the current one; kernel tasks run in whatever there is.
  func activateSpace(of process: Reference<Process>) {
    guard let space = heap[process].space.reference else { return }
    let root = heap[space].root
    guard root != state.value.activeRoot else { return }
    state.value.activeRoot = root
    machine.activate(root: root)
  }

  /// Leaves all programs' memory, before one of them goes.
  func activateKernelRoot() {
    let root = memory.value.kernelRoot
    guard root != state.value.activeRoot else { return }
    state.value.activeRoot = root
    machine.activate(root: root)
  }
}
