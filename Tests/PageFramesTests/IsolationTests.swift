// SPDX-License-Identifier: Apache-2.0

import MemoryEvents
import MemoryUnits
import SimulatedMachine
import Testing

@testable import PageFrames

@Suite struct IsolationTests {
  private func range(_ first: UInt32, _ count: Int) -> FrameRange {
    FrameRange(first: PageFrameNumber(first), count: PageCount(count))
  }

  @Test func `a range of free frames is taken, the rest of its blocks stays free`() throws {
    let test = try FrameMachine(frameCount: 4096, minimumFreeKibibytes: 0)
    let free = test.free
    let largest = test.frames.freeBlockCount(.max, of: .dma)
    let wanted = range(1100, 700)
    try test.frames.isolate(wanted)
    try test.frames.checkInvariants()
    let taken = try test.frames.takeIsolated(wanted, kind: .dma)
    try test.frames.checkInvariants()
    test.frames.endIsolation(of: wanted)
    try test.frames.checkInvariants()
    #expect(test.free == free - 700)
    #expect(test.firstDifferenceFromEvents() == nil)
    test.frames.free(taken)
    #expect(test.free == free)
    #expect(test.frames.pageBlocks.mobility(of: wanted.first) == .movable)
    test.frames.drainCPULists()
    try test.frames.checkInvariants()
    #expect(test.frames.freeBlockCount(.max, of: .dma) == largest)
    #expect(test.firstDifferenceFromEvents() == nil)
  }

  @Test func `nobody gets a frame of an isolated page block`() throws {
    let test = try FrameMachine(frameCount: 4096, minimumFreeKibibytes: 0)
    let wanted = range(1024, 512)
    try test.frames.isolate(wanted)
    let taken = test.exhaust(FrameRequest(urgency: .reserve))
    #expect(!taken.contains { wanted.contains($0) })
    #expect(taken.count > 3000)
    test.frames.endIsolation(of: wanted)
    let rest = test.exhaust(FrameRequest(urgency: .reserve))
    #expect(rest.count == 512)
    test.free(taken + rest)
    try test.frames.checkInvariants()
  }

  @Test func `a frame in use refuses the range and nothing is lost`() throws {
    let test = try FrameMachine(frameCount: 4096, minimumFreeKibibytes: 0)
    let taken = test.exhaust(FrameRequest(urgency: .reserve))
    let blocker = PageFrameNumber(1500)
    test.free(taken.filter { $0 != blocker })
    let free = test.free
    let wanted = range(1024, 1024)
    try test.frames.isolate(wanted)
    #expect(throws: ContiguousError.inUse(blocker)) {
      let taken = try test.frames.takeIsolated(wanted, kind: .dma)
      test.frames.free(taken)
    }
    #expect(throws: ContiguousError.isolatedAlready) { try test.frames.isolate(range(1700, 5)) }
    // What is freed while a page block is isolated stays there.
    test.frames.free(.adopt(blocker))
    let all = try test.frames.takeIsolated(wanted, kind: .dma)
    test.frames.endIsolation(of: wanted)
    test.frames.free(all)
    #expect(test.free == free + 1)
    test.frames.drainCPULists()
    try test.frames.checkInvariants()
    #expect(test.firstDifferenceFromEvents() == nil)
  }

  @Test func `ranges over the border of a zone or of RAM are refused`() throws {
    let zones = ZoneLayout(
      dmaEnd: PageFrameNumber(1024), dma32End: PageFrameNumber(.max),
      normalEnd: PageFrameNumber(.max), highMemoryEnd: PageFrameNumber(.max))
    let test = try FrameMachine(frameCount: 4096, zones: zones)
    for wrong in [range(1000, 100), range(4000, 200), range(5000, 1), range(100, 0)] {
      #expect(throws: ContiguousError.notInOneZone) { try test.frames.isolate(wrong) }
    }
    try test.frames.checkInvariants()
  }

  @Test(arguments: [1, 2, 3, 4])
  func `isolating anything at any time keeps every frame at one place`(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let test = try FrameMachine(frameCount: 4096, minimumFreeKibibytes: 0)
    var held: [(PageFrameNumber, Order)] = []
    var isolated: FrameRange?
    for step in 0..<600 {
      switch generator.number(below: 8) {
      case 0..<4:
        let order = Order(UInt8(generator.number(below: generator.oneIn(4) ? 10 : 3)))
        let mobility: Mobility = generator.oneIn(2) ? .movable : .unmovable
        let request = FrameRequest(order: order, mobility: mobility)
        if let block = try? test.frames.allocate(request) {
          held.append((block.surrender(), order))
        }
      case 4..<7:
        guard !held.isEmpty else { continue }
        let (frame, order) = held.remove(at: generator.number(below: held.count))
        test.frames.free(.adopt(frame, order))
      default:
        if let range = isolated {
          if let taken = try? test.frames.takeIsolated(range, kind: .dma) {
            test.frames.free(taken)
          }
          test.frames.endIsolation(of: range)
          isolated = nil
        } else {
          let first = generator.number(below: 4000)
          let wanted = range(UInt32(first), 1 + generator.number(below: 4096 - first))
          try test.frames.isolate(wanted)
          isolated = wanted
        }
      }
      if step % 10 == 0 { try test.frames.checkInvariants() }
    }
    if let isolated { test.frames.endIsolation(of: isolated) }
    for (frame, order) in held { test.frames.free(.adopt(frame, order)) }
    test.frames.drainCPULists()
    try test.frames.checkInvariants()
    #expect(test.firstDifferenceFromEvents() == nil)
  }
}
