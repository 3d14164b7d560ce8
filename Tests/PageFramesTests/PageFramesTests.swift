// SPDX-License-Identifier: Apache-2.0

import MemoryEvents
import MemoryUnits
import SimulatedMachine
import Testing

@testable import PageFrames

@Suite struct PageFramesTests {
  @Test func `a block is allocated, held once, of its kind`() throws {
    let test = try FrameMachine(frameCount: 512)
    let block = try test.frames.allocate(FrameRequest(order: Order(3), kind: .slab))
    let first = block.first
    #expect(first.isAligned(to: Order(3)))
    #expect(block.pageCount.value == 8)
    #expect(test.frames.table[first].kind == .slab)
    #expect(test.frames.table[first].references == 1)
    #expect(test.frames.table[first].order.value == 3)
    for index in UInt32(0)..<8 {
      #expect(test.frames.table.head(of: PageFrameNumber(first.value + index)) == first)
    }
    test.frames.freeSlab(block)
    #expect(test.frames.table[first].kind == .free)
    try test.frames.checkInvariants()
  }

  @Test func `freeing every block restores the blocks of boot`() throws {
    let test = try FrameMachine(frameCount: 4096)
    let before = (0...10).map { test.frames.freeBlockCount(Order(UInt8($0)), of: .dma) }
    let taken = test.exhaust(FrameRequest(urgency: .reserve))
    #expect(taken.count == test.frames.managedPageCount.value)
    #expect(test.free == 0)
    test.free(taken)
    test.frames.drainCPULists()
    #expect((0...10).map { test.frames.freeBlockCount(Order(UInt8($0)), of: .dma) } == before)
    try test.frames.checkInvariants()
  }

  @Test func `what was ever allocated and freed is counted, by whichever way it went`() throws {
    let test = try FrameMachine(frameCount: 4096)
    func counts() -> (allocated: UInt64, freed: UInt64) {
      let statistics = test.frames.statistics(of: .dma)
      return (statistics.allocatedCount, statistics.freedCount)
    }
    let start = counts()
    // Of the boot.
    #expect(start.freed - start.allocated == UInt64(test.frames.managedPageCount.value))
    var expected: UInt64 = 0
    for order: UInt8 in [0, 0, 1, 3, 4, 9] {
      for _ in 0..<40 {
        let block = try test.frames.allocate(FrameRequest(order: Order(order)))
        expected += 1 << UInt64(order)
        #expect(counts() == (start.allocated + expected, start.freed + expected - 1 << order))
        test.frames.free(block)
        #expect(counts() == (start.allocated + expected, start.freed + expected))
      }
    }
    for _ in 0..<3 {
      test.frames.freeZeroed(
        try test.frames.allocate(FrameRequest(kind: .pageTable, content: .zeroed)))
      expected += 1
      #expect(counts() == (start.allocated + expected, start.freed + expected))
    }
    let many = test.exhaust(FrameRequest(urgency: .reserve))
    expected += UInt64(many.count)
    #expect(counts().allocated == start.allocated + expected)
    test.free(many)
    test.frames.drainCPULists()
    #expect(counts() == (start.allocated + expected, start.freed + expected))
    // At their place: allocated by nobody's count, and freed like others. Linux: the same.
    let range = FrameRange(first: PageFrameNumber(1024), count: PageCount(512))
    try test.frames.isolate(range)
    let row = try test.frames.takeIsolated(range, kind: .plain)
    test.frames.endIsolation(of: range)
    #expect(counts() == (start.allocated + expected, start.freed + expected))
    test.frames.free(row)
    #expect(counts() == (start.allocated + expected, start.freed + expected + 512))
  }

  @Test func `zeroed frames are zero and others are left alone`() throws {
    let test = try FrameMachine(frameCount: 512, initialContent: .garbage)
    let block = try test.frames.allocate(FrameRequest(order: Order(2), content: .zeroed))
    for index in 0..<4 {
      test.machine.withBytes(of: PageFrameNumber(block.first.value + UInt32(index))) { bytes in
        for offset in stride(from: 0, to: 4096, by: 8) {
          #expect(bytes.load(UInt64.self, at: offset) == 0)
        }
      }
    }
    let first = block.first
    test.machine.withBytes(of: first) { $0.store(UInt64(7), at: 8) }
    test.frames.free(block)
    let again = try test.frames.allocate(FrameRequest(order: Order(2)))
    #expect(again.first == first)
    #expect(test.machine.withBytes(of: first) { $0.load(UInt64.self, at: 8) } == 7)
    test.frames.free(again)
  }

  @Test func `the last holder's release frees`() throws {
    let test = try FrameMachine(frameCount: 512)
    let free = test.free
    let frame = try test.frames.allocate(FrameRequest(order: Order(1))).surrender()
    test.frames.retain(frame)
    test.frames.retain(frame)
    #expect(!test.frames.release(frame))
    #expect(!test.frames.release(frame))
    #expect(test.free == free - 2)
    #expect(test.frames.release(frame))
    #expect(test.free == free)
  }

  @Test func `frames that are released together wait for their neighbours, then go back merged`()
    throws
  {
    let test = try FrameMachine(frameCount: 4096)
    let before = (0...10).map { test.frames.freeBlockCount(Order(UInt8($0)), of: .dma) }
    let free = test.free
    var taken: [PageFrameNumber] = []
    for _ in 0..<2048 {
      taken.append(try test.frames.allocate(FrameRequest(mobility: .movable)).surrender())
    }
    // One of them is somebody else's too.
    test.frames.retain(taken[5])
    let scattered = (0..<2048).map { taken[$0 * 1277 % 2048] }
    for start in stride(from: 0, to: 2048, by: 32) {
      test.frames.release(scattered[start..<start + 32].span)
      try test.frames.checkInvariants()
    }
    #expect(test.frames.cachedPageCount.value > 1000)
    test.frames.trimCPULists()
    try test.frames.checkInvariants()
    #expect(test.frames.cachedPageCount.value < 200)
    #expect(test.free == free - 1)
    #expect(test.frames.release(taken[5]))
    test.frames.drainCPULists()
    #expect((0...10).map { test.frames.freeBlockCount(Order(UInt8($0)), of: .dma) } == before)
    #expect(test.firstDifferenceFromEvents() == nil)
  }

  @Test func `what comes with others and is of others or of an order goes its way`() throws {
    let test = try FrameMachine(frameCount: 4096)
    let before = (0...10).map { test.frames.freeBlockCount(Order(UInt8($0)), of: .dma) }
    let mobilities: [Mobility] = [.movable, .unmovable, .reclaimable]
    var taken: [PageFrameNumber] = []
    for index in 0..<300 {
      let order = Order(index % 7 == 0 ? 2 : index % 11 == 0 ? 5 : 0)
      let request = FrameRequest(order: order, mobility: mobilities[index % 50 / 20])
      taken.append(try test.frames.allocate(request).surrender())
      if index % 5 == 0 { test.frames.retain(taken[index]) }
    }
    for start in stride(from: 0, to: 300, by: 30) {
      test.frames.release(taken[start..<start + 30].span)
      try test.frames.checkInvariants()
    }
    for index in stride(from: 0, to: 300, by: 5) { #expect(test.frames.release(taken[index])) }
    #expect(taken.allSatisfy { test.frames.table[$0].kind == .free })
    test.frames.drainCPULists()
    #expect((0...10).map { test.frames.freeBlockCount(Order(UInt8($0)), of: .dma) } == before)
    #expect(test.firstDifferenceFromEvents() == nil)
  }

  @Test func `a frame given back as zeros is the next one of zeros, and is not cleared`() throws {
    let test = try FrameMachine(frameCount: 512, initialContent: .garbage)
    let request = FrameRequest(kind: .pageTable, content: .zeroed)
    let table = try test.frames.allocate(request)
    let frame = table.first
    test.frames.freeZeroed(table)
    try test.frames.checkInvariants()
    // Nobody else gets it while there are others.
    let other = try test.frames.allocate(FrameRequest())
    let movable = try test.frames.allocate(FrameRequest(mobility: .movable, content: .zeroed))
    #expect(other.first != frame && movable.first != frame)
    // What is written meanwhile shows that it is handed out as it is.
    test.machine.withBytes(of: frame) { $0.store(UInt64(7), at: 4088) }
    #expect(throws: BrokenInvariant.self) { try test.frames.checkInvariants() }
    let again = try test.frames.allocate(request)
    #expect(again.first == frame && test.frames.table[frame].kind == .pageTable)
    #expect(test.machine.withBytes(of: frame) { $0.load(UInt64.self, at: 4088) } == 7)
    #expect(test.firstDifferenceFromEvents() == nil)
    for block in [again.surrender(), other.surrender(), movable.surrender()] {
      test.frames.release(block)
    }
  }

  @Test func `frames of zeros go back to their zone like others`() throws {
    let test = try FrameMachine(frameCount: 512)
    let free = test.free
    let request = FrameRequest(kind: .pageTable, content: .zeroed)
    let taken = (0..<100).compactMap { _ in try? test.frames.allocate(request).surrender() }
    for frame in taken { test.frames.freeZeroed(.adopt(frame)) }
    try test.frames.checkInvariants()
    #expect(test.free == free)
    // The last frame of the machine can be had by anybody.
    let all = test.exhaust(FrameRequest(mobility: .movable, urgency: .reserve))
    #expect(all.count == free && test.free == 0)
    test.free(all)
    test.frames.drainCPULists()
    try test.frames.checkInvariants()
  }

  @Test func `a frame that is no zeros is noticed when it is given back as such`() throws {
    let test = try FrameMachine(
      frameCount: 512, initialContent: .garbage, violations: .collect)
    let block = try test.frames.allocate(FrameRequest())
    test.machine.withBytes(of: block.first) { $0.store(UInt64(1), at: 8) }
    test.frames.freeZeroed(block)
    #expect(test.machine.violations.count == 1)
  }

  @Test func `a split block is freed frame by frame`() throws {
    let test = try FrameMachine(frameCount: 512)
    let before = (0...10).map { test.frames.freeBlockCount(Order(UInt8($0)), of: .dma) }
    let block = try test.frames.allocate(FrameRequest(order: Order(4), kind: .anonymous))
    let first = test.frames.split(block)
    for index in 0..<UInt32(16) {
      let single = PageFrameNumber(first.value + index)
      #expect(test.frames.table[single].references == 1)
      #expect(test.frames.table[single].kind == .anonymous)
      #expect(test.frames.table[single].order == .zero)
    }
    #expect(test.firstDifferenceFromEvents() == nil)
    try test.frames.checkInvariants()
    for index in 0..<UInt32(16) { test.frames.release(PageFrameNumber(first.value + index)) }
    test.frames.drainCPULists()
    #expect((0...10).map { test.frames.freeBlockCount(Order(UInt8($0)), of: .dma) } == before)
  }

  @Test func `uses and mappings of a frame are in its descriptor and in the log`() throws {
    let test = try FrameMachine(frameCount: 512)
    let frame = try test.frames.allocate(FrameRequest(kind: .plain)).surrender()
    test.frames.assign(frame, kind: .anonymous, owner: 0x1234, index: 0xFF_0000_0001)
    test.frames.mapped(frame, at: PageNumber(0x7FFF), space: 9)
    test.frames.mapped(frame, at: PageNumber(0x8000), space: 10)
    test.frames.unmapped(frame, at: PageNumber(0x7FFF), space: 9)
    let descriptor = test.frames.table[frame]
    #expect(descriptor.kind == .anonymous && descriptor.owner == 0x1234)
    #expect(descriptor.index == 0xFF_0000_0001 && descriptor.mappings == 1)
    #expect(test.firstDifferenceFromEvents() == nil)
    test.frames.unmapped(frame, at: PageNumber(0x8000), space: 10)
    test.frames.release(frame)
    #expect(test.firstDifferenceFromEvents() == nil)
  }

  @Test func `bad frees stop the machine`() async {
    await #expect(processExitsWith: .failure) {
      let test = try FrameMachine(frameCount: 512)
      let frame = try test.frames.allocate(FrameRequest()).surrender()
      test.frames.free(.adopt(frame))
      test.frames.free(.adopt(frame))
    }
    await #expect(processExitsWith: .failure) {
      let test = try FrameMachine(frameCount: 512)
      test.frames.free(.adopt(PageFrameNumber(0)))
    }
    await #expect(processExitsWith: .failure) {
      let test = try FrameMachine(frameCount: 512)
      let frame = try test.frames.allocate(FrameRequest(order: Order(2))).surrender()
      test.frames.free(.adopt(frame, Order(1)))
    }
    await #expect(processExitsWith: .failure) {
      let test = try FrameMachine(frameCount: 512)
      let frame = try test.frames.allocate(FrameRequest()).surrender()
      test.frames.mapped(frame, at: PageNumber(1), space: 1)
      test.frames.free(.adopt(frame))
    }
  }

  @Test func `a lost block traps`() async {
    await #expect(processExitsWith: .failure) {
      let test = try FrameMachine(frameCount: 512)
      _ = try test.frames.allocate(FrameRequest())
    }
  }

  @Test func `injected failures come at their interval, and never to who frees memory`() throws {
    let test = try FrameMachine(frameCount: 512)
    test.frames.inject(FailureInjection(interval: 3, space: 1, times: 2))
    var outcomes: [Bool] = []
    for _ in 0..<12 {
      do {
        test.frames.free(try test.frames.allocate(FrameRequest()))
        outcomes.append(true)
      } catch {
        #expect(error == .injected)
        outcomes.append(false)
      }
    }
    #expect(outcomes.enumerated().filter { !$0.element }.map(\.offset) == [3, 6])
    test.frames.inject(FailureInjection(interval: 1))
    test.frames.free(try test.frames.allocate(FrameRequest(urgency: .reserve)))
    #expect(throws: AllocationError.injected) { _ = try test.exhaustOne(relief: NoRelief()) }
  }
}

extension FrameMachine {
  func exhaustOne<R: PressureRelief>(relief: R) throws -> PageFrameNumber {
    try frames.allocate(FrameRequest(), relief: relief).surrender()
  }
}
