// SPDX-License-Identifier: Apache-2.0

import MemoryEvents
import MemoryUnits
import SimulatedMachine
import Testing

@testable import PageFrames

@Suite struct PageFramesPressureTests {
  /// Frames of three zones: 1,024, 1,024 and the rest.
  private let threeZones = ZoneLayout(
    dmaEnd: PageFrameNumber(1024), dma32End: PageFrameNumber(2048),
    normalEnd: PageFrameNumber(.max), highMemoryEnd: PageFrameNumber(.max))

  @Test func `an exhausted machine says so and recovers`() throws {
    let test = try FrameMachine(frameCount: 512)
    let taken = test.exhaust()
    let minimum = test.frames.statistics(of: .dma).watermarks.minimum.value
    #expect(test.free <= minimum)
    #expect(throws: AllocationError.outOfMemory) { _ = try test.frames.allocate(FrameRequest()) }
    try test.frames.checkInvariants()
    test.free(taken)
    test.frames.free(try test.frames.allocate(FrameRequest(order: Order(6))))
    try test.frames.checkInvariants()
  }

  @Test func `urgent requests reach deeper into the reserve`() throws {
    let test = try FrameMachine(frameCount: 512)
    let minimum = test.frames.statistics(of: .dma).watermarks.minimum.value
    var taken = test.exhaust()
    #expect(test.free == minimum)
    taken += test.exhaust(FrameRequest(urgency: .high))
    #expect(test.free == minimum - minimum / 2)
    taken += test.exhaust(FrameRequest(urgency: .reserve))
    #expect(test.free == 0)
    test.free(taken)
    try test.frames.checkInvariants()
  }

  @Test func `a request goes down the zones and never up`() throws {
    let test = try FrameMachine(frameCount: 4096, zones: threeZones)
    let low = test.exhaust(FrameRequest(zoneLimit: .dma))
    #expect(low.allSatisfy { $0.value < 1024 })
    test.free(low)
    let middle = test.exhaust(FrameRequest(zoneLimit: .dma32))
    #expect(middle.allSatisfy { $0.value < 2048 })
    #expect(middle.contains { $0.value < 1024 } && middle.contains { $0.value >= 1024 })
    test.free(middle)
    test.frames.drainCPULists()
    let any = test.exhaust()
    let firstBelow = try #require(any.firstIndex { $0.value < 2048 })
    #expect(any[..<firstBelow].allSatisfy { $0.value >= 2048 })
    #expect(firstBelow > 1500)
    test.free(any)
    try test.frames.checkInvariants()
  }

  @Test func `lower zones keep their reserve for those who need them`() throws {
    let test = try FrameMachine(frameCount: 65_536, zones: threeZones)
    let statistics = test.frames.statistics(of: .dma)
    #expect(statistics.reserves[.normal] > 100)
    let taken = test.exhaust()
    #expect(
      test.frames.freePageCount(of: .dma).value
        == statistics.watermarks.minimum.value + statistics.reserves[.normal])
    let more = test.exhaust(FrameRequest(zoneLimit: .dma))
    #expect(more.count == statistics.reserves[.normal])
    test.free(taken + more)
    try test.frames.checkInvariants()
  }

  @Test func `frames beyond the direct map are high memory, reached by windows`() throws {
    let test = try FrameMachine(
      frameCount: 2048, zones: .i386(lowMemoryEnd: PageFrameNumber(1024)),
      directMapFrameCount: 1024, initialContent: .garbage)
    #expect(test.frames.tableAddress.frame.value < 1024)
    let block = try test.frames.allocate(
      FrameRequest(zoneLimit: .highMemory, content: .zeroed))
    #expect(block.first.value >= 1024)
    #expect(test.frames.table[block.first].zone == .highMemory)
    let word = test.machine.withBytes(of: block.first) { $0.load(UInt64.self, at: 4088) }
    #expect(word == 0)
    test.frames.free(block)
    let low = try test.frames.allocate(FrameRequest())
    #expect(low.first.value < 1024)
    test.frames.free(low)
  }

  @Test func `what other CPUs keep is taken back before an allocation fails`() throws {
    let test = try FrameMachine(frameCount: 512)
    let all = test.exhaust(FrameRequest(urgency: .reserve))
    let aligned = all.filter { $0.value >= 256 && $0.value < 272 }
    test.free(aligned)
    #expect(test.frames.cachedPageCount.value > 0)
    let block = try test.frames.allocate(FrameRequest(order: Order(4), urgency: .reserve))
    #expect(block.first.value == 256)
    test.frames.free(block)
    test.free(all.filter { !aligned.contains($0) })
    try test.frames.checkInvariants()
  }

  @Test func `a CPU keeps at most its high mark and gives back a batch`() throws {
    let test = try FrameMachine(frameCount: 4096)
    let statistics = test.frames.statistics(of: .dma)
    let taken = test.exhaust()
    for frame in taken {
      test.frames.release(frame)
      #expect(test.frames.cachedPageCount.value < statistics.cpuHigh)
    }
    #expect(test.frames.cachedPageCount.value >= statistics.cpuHigh - statistics.cpuBatch)
    test.frames.drainCPULists()
    #expect(test.frames.cachedPageCount == .zero)
    try test.frames.checkInvariants()
  }

  @Test func `the frame freed last is the next one given`() throws {
    let test = try FrameMachine(frameCount: 512)
    let first = try test.frames.allocate(FrameRequest()).surrender()
    let second = try test.frames.allocate(FrameRequest()).surrender()
    #expect(second != first)
    test.frames.release(first)
    #expect(try test.frames.allocate(FrameRequest()).surrender() == first)
  }

  @Test func `relief is asked until it has no more`() throws {
    let test = try FrameMachine(frameCount: 512)
    let hoard = Hoard(test.frames, test.exhaust())
    var taken = 0
    var failure: AllocationError?
    while failure == nil {
      do {
        _ = try test.frames.allocate(FrameRequest(kind: .file), relief: hoard).surrender()
        taken += 1
      } catch { failure = error }
    }
    #expect(failure == .outOfMemory)
    #expect(taken == hoard.initialCount)
    #expect(hoard.shortfalls == hoard.initialCount + 1)
    #expect(test.machine.events.count { $0.kind == EventKind.allocationFailed.rawValue } == 1)
    try test.frames.checkInvariants()
  }

  /// Frees one frame each time.
  final class Hoard: PressureRelief {
    let frames: PageFrames<TestMachine>
    let initialCount: Int
    private var taken: [PageFrameNumber]
    private(set) var shortfalls = 0

    init(_ frames: PageFrames<TestMachine>, _ taken: [PageFrameNumber]) {
      self.frames = frames
      self.taken = taken
      initialCount = taken.count
    }

    func relieve(_ shortfall: Shortfall) -> Relief {
      #expect(shortfall.kind == .file && shortfall.order == .zero)
      shortfalls += 1
      guard let frame = taken.popLast() else { return .none }
      frames.release(frame)
      return .progress
    }
  }

  @Test func `the numbers of /proc add up`() throws {
    let test = try FrameMachine(frameCount: 4096, zones: threeZones)
    let block = try test.frames.allocate(FrameRequest(order: Order(5)))
    var (managed, present, free) = (0, 0, 0)
    for kind in [ZoneKind.dma, .dma32, .normal, .highMemory] {
      let zone = test.frames.statistics(of: kind)
      managed += zone.managed.value
      present += zone.present.value
      var inLists = 0
      for value in 0...10 {
        let order = Order(UInt8(value))
        let count = test.frames.freeBlockCount(order, of: kind)
        inLists += count << value
        let types = [Mobility.unmovable, .movable, .reclaimable]
        #expect(types.map { test.frames.freeBlockCount(order, $0, of: kind) }.reduce(0, +) == count)
      }
      #expect(inLists == zone.free.value)
      free += zone.free.value + zone.cached.value
    }
    #expect(managed == test.frames.managedPageCount.value)
    #expect(present == 4096)
    #expect(free == managed - 32)
    #expect(test.frames.totalReserve.value < managed)
    #expect(test.frames.isAboveLowMark(.normal))
    test.frames.free(block)
  }
}
