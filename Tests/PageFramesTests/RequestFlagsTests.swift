// SPDX-License-Identifier: Apache-2.0

import MemoryEvents
import MemoryUnits
import SimulatedMachine
import Testing

@testable import PageFrames

/// What each flag of a request changes.
@Suite struct RequestFlagsTests {
  @Test func `the sets have Linux's numbers`() {
    #expect(FrameRequest().mode == 0xCC0)
    #expect(FrameRequest(content: .zeroed).mode == 0xDC0)
    #expect(
      FrameRequest(zoneLimit: .highMemory, mobility: .movable, flags: .program).mode == 0x10_0CCA)
    #expect(FrameRequest(flags: .atomic).mode == 0x820)
    #expect(FrameRequest(flags: .immediate).mode == 0x2800)
    #expect(FrameRequest(zoneLimit: .dma, mobility: .reclaimable).mode == 0xCD1)
    #expect(FrameRequest(zoneLimit: .dma32, urgency: .reserve).mode == 0x2_0CC4)
    #expect(FrameRequest(urgency: .high, flags: .withoutTransfers).mode == 0xC20)
    #expect(RequestFlags.withoutFileSystems.rawValue == 0xC40)
  }

  @Test(arguments: [
    // The share of the minimum that stays free, in eighths.
    (RequestFlags.kernel, 8), (.immediate, 8), (RequestFlags.kernel.union(.high), 4),
    (.atomic, 3), (RequestFlags.atomic.union(.keepsOffReserves), 4),
    (RequestFlags.kernel.union(.reserve), 0),
    (RequestFlags.kernel.union(.reserve).union(.keepsOffReserves), 8),
  ])
  func `how deep a request reaches is what its flags say`(
    flags: RequestFlags, eighths: Int
  ) throws {
    let test = try FrameMachine(frameCount: 2048, minimumFreeKibibytes: 1024)
    #expect(test.frames.statistics(of: .dma).watermarks.minimum.value == 256)
    let taken = test.exhaust(FrameRequest(flags: flags))
    #expect(test.free == 256 * eighths / 8)
    test.free(taken)
  }

  /// Frees some frames the first times that it is asked.
  final class Giver: PressureRelief {
    let frames: PageFrames<TestMachine>
    private var gifts: [[PageFrameNumber]]
    private(set) var asked: [Shortfall] = []
    private(set) var pauseCount = 0
    private let afterPauses: [PageFrameNumber]

    init(
      _ frames: PageFrames<TestMachine>, _ gifts: [[PageFrameNumber]],
      afterPauses: [PageFrameNumber] = []
    ) {
      self.frames = frames
      self.gifts = gifts
      self.afterPauses = afterPauses
    }

    func relieve(_ shortfall: Shortfall) -> Relief {
      asked.append(shortfall)
      guard !gifts.isEmpty else { return .none }
      for frame in gifts.removeFirst() { frames.release(frame) }
      return .progress
    }

    func pause() {
      pauseCount += 1
      if pauseCount == 3 { for frame in afterPauses { frames.release(frame) } }
    }
  }

  @Test func `who may not wait asks for no relief, and the failure is in the log`() throws {
    let test = try FrameMachine(frameCount: 512)
    let taken = test.exhaust()
    let giver = Giver(test.frames, [taken])
    for flags in [RequestFlags.immediate, .atomic] {
      var got: [PageFrameNumber] = []
      while let block = try? test.frames.allocate(FrameRequest(flags: flags), relief: giver) {
        got.append(block.surrender())
      }
      #expect(test.frames.lastFailure?.mode == flags.rawValue)
      test.free(got)
    }
    #expect(giver.asked.isEmpty)
    test.free(taken)
  }

  @Test func `a relief sees what may be done, and whom it may kill for`() throws {
    let test = try FrameMachine(frameCount: 512)
    let taken = test.exhaust(FrameRequest(urgency: .reserve))
    let killed: [(FrameRequest, Bool)] = [
      (FrameRequest(), true), (FrameRequest(order: Order(3)), true),
      (FrameRequest(order: Order(4)), false), (FrameRequest(zoneLimit: .dma32), false),
      (FrameRequest(flags: .withoutFileSystems), false),
      (FrameRequest(flags: RequestFlags.kernel.union(.ratherFails)), false),
      (FrameRequest(flags: RequestFlags.kernel.union(.triesOnce)), false),
    ]
    for (request, mayKill) in killed {
      let giver = Giver(test.frames, [])
      #expect(throws: AllocationError.outOfMemory) {
        _ = try test.frames.allocate(request, relief: giver).surrender()
      }
      #expect(giver.asked.count == 1 && giver.asked[0].mayKill == mayKill)
      #expect(giver.asked[0].flags.rawValue == request.flags.rawValue)
    }
    test.free(taken)
  }

  @Test(arguments: [
    // Order, flags, rounds of relief before it gives up; five of them free what is of no use.
    (0, RequestFlags.kernel, 6), (3, .kernel, 6), (4, .kernel, 1),
    (4, RequestFlags.kernel.union(.ratherFails), 6), (0, RequestFlags.kernel.union(.triesOnce), 1),
  ])
  func `how often it is tried again is what its flags say`(
    order: Int, flags: RequestFlags, rounds: Int
  ) throws {
    let test = try FrameMachine(frameCount: 512, minimumFreeKibibytes: 400)
    let taken = test.exhaust(FrameRequest(urgency: .reserve))
    let giver = Giver(test.frames, Array(repeating: [], count: 5))
    #expect(throws: AllocationError.outOfMemory) {
      let request = FrameRequest(order: Order(UInt8(order)), flags: flags)
      _ = try test.frames.allocate(request, relief: giver).surrender()
    }
    #expect(giver.asked.count == rounds)
    test.free(taken)
    try test.frames.checkInvariants()
  }

  @Test func `who cannot fail waits until there is something`() throws {
    let test = try FrameMachine(frameCount: 512)
    let taken = test.exhaust(FrameRequest(urgency: .reserve))
    let giver = Giver(test.frames, [], afterPauses: Array(taken[..<100]))
    let request = FrameRequest(flags: RequestFlags.kernel.union(.neverFails))
    let block = try test.frames.allocate(request, relief: giver)
    #expect(giver.pauseCount == 3 && test.frames.lastFailure == nil)
    test.frames.free(block)
    test.frames.inject(FailureInjection(interval: 1))
    test.frames.free(try test.frames.allocate(request))
    test.frames.inject(.none)
    test.free(Array(taken[100...]))
  }

  @Test func `a failure says what was asked for and what there was`() throws {
    let test = try FrameMachine(frameCount: 4096, minimumFreeKibibytes: 256)
    let taken = test.exhaust(FrameRequest(mobility: .movable, urgency: .reserve))
    test.free(taken.filter { $0.value % 2 == 0 })
    test.frames.drainCPULists()
    let request = FrameRequest(order: Order(4), mobility: .reclaimable, content: .zeroed)
    #expect(throws: AllocationError.outOfMemory) {
      _ = try test.frames.allocate(request, relief: NoRelief()).surrender()
    }
    let failure = try #require(test.frames.lastFailure)
    #expect(failure.order == Order(4) && failure.mobility == .reclaimable && failure.zone == .dma)
    #expect(failure.mode == 0xDD0 && failure.mark.value == 64)
    #expect(failure.free == test.frames.freePageCount && failure.isOfFragmentation)
    let event = try #require(
      test.machine.events.last { $0.kind == EventKind.allocationFailed.rawValue })
    #expect(AllocationFailure(event) == failure)
    #expect(AllocationFailure(MemoryEvent(.frameFreed)) == nil)
    test.free(taken.filter { $0.value % 2 == 1 })
  }
}
