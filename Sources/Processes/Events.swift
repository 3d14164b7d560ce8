// SPDX-License-Identifier: Apache-2.0

import FileSystems
import IntrusiveStructures
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// What is due at a time: ends of transfers, ends of sleeps, alarms, ends of slices.
///
/// All of it lives on virtual time, so that it comes at the same instruction in every run. Due
/// events are taken from the timer's trap and whenever a task gives up the CPU.
extension Kernel {
  /// The time of the next event, slices left out; `never` if nothing is planned.
  var nextEventTime: VirtualTime {
    var time = state.value.diskEvents.next
    if let task = firstTimed { time = min(time, heap[task].deadline) }
    return min(time, nextTimer)
  }

  /// When the timer must interrupt the program that runs.
  var wantedTimer: VirtualTime {
    let time = min(min(nextEventTime, state.value.nextHostLook), nextProcessorTimer)
    return state.value.runQueue.isEmpty ? time : min(time, state.value.sliceEnd)
  }

  func setTimer(_ deadline: VirtualTime) {
    guard deadline != state.value.armed else { return }
    state.value.armed = deadline
    machine.setTimer(deadline)
  }

  /// Takes all events whose time has come: transfers, then sleeps, then alarms.
  ///
  /// - Context: any task's; does not sleep.
  func takeDueEvents() {
    let now = machine.now
    guard nextEventTime <= now else { return }
    while let tag = state.value.diskEvents.takeDue(at: now) {
      fileSystems.diskCompleted(tag)
    }
    while let task = firstTimed, heap[task].deadline <= now {
      awaken(task, .timedOut)
    }
    takeTimers(at: now)
  }

  /// The timer's trap: events, and the next task's turn if the slice is over.
  func handleTimer() {
    state.value.armed = .never
    takeDueEvents()
    takeProcessorTimers()
    let now = machine.now
    if state.value.nextHostLook <= now { lookAtHost() }
    if state.value.nextReaping <= now {
      heap.reap()
      state.value.nextReaping = now.advanced(byNanoseconds: 2_000_000_000)
    }
    if state.value.sliceEnd <= now {
      if state.value.runQueue.isEmpty {
        state.value.sliceEnd = now.advanced(byNanoseconds: heap[current].schedule.sliceNanoseconds)
      } else {
        state.value.exitWork.formUnion(.reschedule)
      }
    }
    state.value.exitWork.formUnion(.timer)
  }

  /// What is left to do before the program goes on; most of the time nothing.
  ///
  /// Linux: `exit_to_user_mode_loop()`.
  func finishTrap() {
    while state.value.exitWork != .nothing {
      let work = state.value.exitWork
      state.value.exitWork = .nothing
      if work.contains(.reschedule) {
        yield()
        leaveSequence()
      }
      if work.contains(.signals) || heap[current].interrupted != .none { deliverSignals() }
      if work.contains(.timer) { setTimer(wantedTimer) }
    }
    if state.value.entry != nil { noteStart() }
  }
}
