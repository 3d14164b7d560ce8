// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Processes

@Suite struct SchedulingTests {
  @Test func `who is nicer has shorter turns, never too short ones`() {
    var last = UInt64.max
    for nice in Scheduling.niceRange {
      var schedule = Scheduling()
      schedule.setNice(nice)
      #expect(Int(schedule.nice) == nice)
      #expect(schedule.sliceNanoseconds <= last)
      #expect(schedule.sliceNanoseconds >= Scheduling.shortestSlice)
      last = schedule.sliceNanoseconds
    }
    #expect(Scheduling().sliceNanoseconds == Scheduling.usualSlice)
    var schedule = Scheduling()
    schedule.setNice(100)
    #expect(schedule.nice == 19)
    schedule.setNice(-100)
    #expect(schedule.nice == -20)
  }

  @Test func `a child has its parent's turns, unless the parent said otherwise`() {
    var parent = Scheduling()
    parent.policy = .batch
    parent.setNice(-5)
    parent.transferPriority = 2 << 13 | 3
    #expect(parent.ofChild.policy == .batch && parent.ofChild.nice == -5)
    parent.resetsOnFork = true
    #expect(parent.ofChild.policy == .batch && parent.ofChild.nice == 0)
    #expect(!parent.ofChild.resetsOnFork)
    parent.policy = .fifo
    parent.priority = 40
    #expect(parent.ofChild.policy == .normal && parent.ofChild.priority == 0)
    #expect(parent.ofChild.transferPriority == parent.transferPriority)
  }

  @Test func `only tasks of real time have priorities`() {
    for policy in UInt64(0)...8 {
      let range = Scheduling.priorities(of: policy)
      switch policy {
      case 1, 2: #expect(range == 1...99)
      case 4, 8: #expect(range == nil)
      default: #expect(range == 0...0)
      }
    }
  }

  @Test func `transfers are as urgent as their task, unless it says so`() {
    var schedule = Scheduling()
    #expect(schedule.usedTransferPriority == 2 << 13 | 4)
    schedule.setNice(19)
    #expect(schedule.usedTransferPriority == 2 << 13 | 7)
    schedule.policy = .idle
    #expect(schedule.usedTransferPriority >> 13 == 3)
    schedule.policy = .fifo
    #expect(schedule.usedTransferPriority >> 13 == 1)
    schedule.transferPriority = 2 << 13 | 1
    #expect(schedule.usedTransferPriority == 2 << 13 | 1)
  }
}
