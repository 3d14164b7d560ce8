// SPDX-License-Identifier: Apache-2.0

import MemoryEvents
import MemoryUnits
import Testing

@testable import PageFrames

/// Neighbouring frames of any number, and many frames at once.
@Suite struct ExactRangeTests {
  @Test(arguments: [1, 2, 3, 5, 63, 64, 65, 1023, 1024])
  func `a range takes no more than asked for, and all of it comes back`(count: Int) throws {
    let test = try FrameMachine(frameCount: 4096)
    let blocks = (0...10).map { test.frames.freeBlockCount(Order(UInt8($0)), of: .dma) }
    let before = test.free
    let range = try test.frames.allocate(
      exactly: PageCount(count), FrameRequest(kind: .dma, content: .zeroed))
    #expect(range.range.count.value == count && test.free == before - count)
    #expect(range.range.first.isAligned(to: Order(holding: PageCount(count))!))
    for offset in 0..<count {
      let frame = test.frames.table[range.range.first + PageCount(offset)]
      #expect(frame.kind == .dma && frame.references == 1 && frame.order == .zero)
    }
    #expect(test.firstDifferenceFromEvents() == nil)
    try test.frames.checkInvariants()
    let half = PageCount((count + 1) / 2)
    let rest = test.frames.shorten(range, to: half)
    #expect(rest.range.count == half && test.free == before - half.value)
    test.frames.free(rest)
    test.frames.drainCPULists()
    #expect((0...10).map { test.frames.freeBlockCount(Order(UInt8($0)), of: .dma) } == blocks)
    #expect(test.firstDifferenceFromEvents() == nil)
  }

  @Test func `no frames and too many are refused`() throws {
    let test = try FrameMachine(frameCount: 4096)
    let before = test.free
    #expect(throws: AllocationError.zeroSize) {
      _ = try test.frames.allocate(exactly: .zero, FrameRequest()).surrender()
    }
    #expect(throws: AllocationError.orderTooLarge) {
      _ = try test.frames.allocate(exactly: PageCount(1025), FrameRequest()).surrender()
    }
    #expect(test.free == before)
  }

  @Test func `a lost range traps`() async {
    await #expect(processExitsWith: .failure) {
      let test = try FrameMachine(frameCount: 512)
      _ = try test.frames.allocate(exactly: PageCount(3), FrameRequest())
    }
  }

  @Test(arguments: [1, 16, 17, 200])
  func `many frames come at once, each in use and of one owner`(count: Int) throws {
    let test = try FrameMachine(frameCount: 4096)
    let before = test.free
    var frames = [PageFrameNumber](repeating: PageFrameNumber(0), count: count)
    var span = frames.mutableSpan
    let got = test.frames.allocate(
      FrameRequest(kind: .anonymous, mobility: .movable, content: .zeroed), into: &span)
    #expect(got == count && Set(frames.map(\.value)).count == count)
    #expect(frames.allSatisfy { test.frames.table[$0].kind == .anonymous })
    #expect(test.free == before - count)
    try test.frames.checkInvariants()
    test.frames.release(frames.span)
    #expect(test.free == before)
    #expect(test.firstDifferenceFromEvents() == nil)
  }

  @Test func `where memory runs out there are fewer`() throws {
    let test = try FrameMachine(frameCount: 512)
    let minimum = test.frames.statistics(of: .dma).watermarks.minimum.value
    let before = test.free
    var frames = [PageFrameNumber](repeating: PageFrameNumber(0), count: 600)
    var span = frames.mutableSpan
    let got = test.frames.allocate(FrameRequest(), into: &span)
    #expect(got == before - minimum)
    test.frames.release(frames.span.extracting(0..<got))
    #expect(test.free == before)
    try test.frames.checkInvariants()
  }
}
