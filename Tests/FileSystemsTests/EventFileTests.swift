// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import LinuxABI
import MemoryUnits
import Testing

@testable import FileSystems

/// Epoll, eventfd, timerfd and signalfd.
@Suite struct EventFileTests {
  private func events(_ test: TestFiles, _ poll: Reference<OpenFile>) throws(Errno) -> [UInt64] {
    var found: [UInt64] = []
    _ = try test.files.takeEvents(of: poll, atMost: 64) { (_, event) throws(Errno) in
      found.append(event.data)
    }
    return found.sorted()
  }

  private func event(_ flags: UInt32, _ data: UInt64) -> EventPollEvent {
    EventPollEvent(flags: EventPollFlags(rawValue: flags), data: data)
  }

  @Test(arguments: UInt64(1)...6) func `what is ready by level is what its model says`(
    seed: UInt64
  ) throws {
    try TestFiles.run { test in
      let poll = try test.files.makeEventPoll()
      var counters: [Reference<OpenFile>?] = Array(repeating: nil, count: 12)
      var counts = [UInt64](repeating: 0, count: 12)
      var state = seed
      for _ in 0..<400 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        let place = Int((state >> 33) % 12)
        switch ((state >> 50) & 3, counters[place]) {
        case (_, nil):
          let file = try test.files.makeEventCounter(0, isSemaphore: false, flags: .nonBlocking)
          try test.files.change(
            poll, .add(event(1, UInt64(place))), of: file, descriptor: UInt32(place))
          counters[place] = file
          counts[place] = 0
        case (0, let file?):
          test.files.release(file)
          counters[place] = nil
          counts[place] = 0
        case (1, let file?) where counts[place] > 0:
          _ = try test.read(file, 8)
          counts[place] = 0
        case (_, let file?):
          _ = try test.write(file, [1, 0, 0, 0, 0, 0, 0, 0])
          counts[place] += 1
        }
        let expected = counts.indices.filter { counts[$0] > 0 }.map { UInt64($0) }
        #expect(try events(test, poll) == expected, "seed \(seed)")
      }
      for counter in counters { counter.map { test.files.release($0) } }
      #expect(try events(test, poll) == [])
      test.files.release(poll)
    }
  }

  @Test func `an edge is told once for each change`() throws {
    try TestFiles.run { test in
      let poll = try test.files.makeEventPoll()
      let file = try test.files.makeEventCounter(0, isSemaphore: false, flags: .nonBlocking)
      try test.files.change(poll, .add(event(1 << 31 | 1, 9)), of: file, descriptor: 3)
      for _ in 0..<3 {
        _ = try test.write(file, [1, 0, 0, 0, 0, 0, 0, 0])
        #expect(try events(test, poll) == [9])
        #expect(try events(test, poll) == [])
      }
    }
  }

  @Test func `files that watch files leave nothing behind`() throws {
    try TestFiles.run { test in
      func use() throws {
        let poll = try test.files.makeEventPoll()
        let ends = try test.files.makePipe(flags: OpenFlags(rawValue: 0))
        try test.files.change(poll, .add(event(1, 1)), of: ends.reader, descriptor: 4)
        try test.files.change(poll, .add(event(4, 2)), of: ends.writer, descriptor: 5)
        #expect(try events(test, poll) == [2])
        test.files.release(poll)
        test.files.release(ends.reader)
        test.files.release(ends.writer)
      }
      try use()
      let free = test.freePageCount
      for _ in 0..<200 { try use() }
      #expect(test.freePageCount == free)
    }
  }

  @Test func `a timer counts what passed since somebody looked`() throws {
    try TestFiles.run { test in
      let timer = try test.files.makeTimer(isWallClock: false, flags: .nonBlocking)
      #expect(throws: Errno.EAGAIN) { try test.read(timer, 8) }
      _ = try test.files.setTimer(
        timer, to: TimerSetting(value: 100, interval: 1000), isAbsolute: false)
      let reference = try #require(test.host.timers.first)
      let scheduled = Reference<ScheduledTimer>(raw: reference)
      let heap = test.environment.heap
      let due = heap[scheduled].deadline
      test.environment.machine.advance(to: due.advanced(byNanoseconds: 3500))
      test.environment.stop(scheduled)
      test.files.timerExpired(heap[scheduled].ownerRaw)
      let passed = (test.environment.machine.now.nanoseconds - due.nanoseconds) / 1000
      #expect(try test.read(timer, 8)[0] == UInt8(1 + passed))
      #expect(test.host.timers.count == 1)
      test.files.release(timer)
      #expect(test.host.timers.isEmpty)
    }
  }

  @Test func `signals are read with what came with them`() throws {
    try TestFiles.run { test in
      let file = try test.files.makeSignalFile(SignalSet(.SIGTERM), flags: .nonBlocking)
      test.host.pendingSignal = .SIGINT
      #expect(throws: Errno.EAGAIN) { try test.read(file, 128) }
      test.host.pendingSignal = .SIGTERM
      #expect(test.files.readiness(of: file).contains(.input))
      let record = try test.read(file, 256)
      #expect(record.count == 128)
      #expect(record[0] == 15)
      #expect(record[12] == 7)
    }
  }
}
