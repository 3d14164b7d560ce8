// SPDX-License-Identifier: Apache-2.0

import MemoryUnits
import Testing

@testable import PageFrames

@Suite struct WatermarkBoostTests {
  @Test(arguments: [
    // Managed frames, high mark, factor, limit; the first two zones are those of a machine of
    // 7 GiB whose marks Linux printed.
    (1_015_808, 14_360, 15_000, 21_540), (772_917, 10_927, 15_000, 16_390),
    // Never less than a page block, …
    (3840, 54, 15_000, 512), (2048, 1, 15_000, 512),
    // … but nothing in a small zone, before there are marks, or where it is switched off.
    (2047, 1000, 15_000, 0), (100_000, 0, 15_000, 0), (100_000, 5000, 0, 0),
  ])
  func `its limit is Linux's`(managed: Int, high: Int, factor: Int, limit: Int) {
    var boost = WatermarkBoost()
    boost.setLimit(managed: PageCount(managed), high: PageCount(high), factor: factor)
    #expect(boost.limit.value == limit)
    boost.raise()
    #expect(boost.pageCount.value == min(512, limit))
    for _ in 0..<100 { boost.raise() }
    #expect(boost.pageCount.value == limit)
    boost.lower(by: PageCount(500))
    #expect(boost.pageCount.value == max(0, limit - 500))
    boost.lower(by: PageCount(.max))
    #expect(boost.pageCount == .zero)
  }

  @Test func `a boost is in the marks and ends before an allocation fails`() throws {
    let test = try FrameMachine(frameCount: 4096, minimumFreeKibibytes: 1024)
    let zone = test.frames.statistics(of: .dma)
    #expect(zone.watermarks.minimum.value == 256 && zone.boost == .zero)
    // All page blocks but the last hold a program's frames, the half of it free.
    let all = test.exhaust(FrameRequest(kind: .anonymous, mobility: .movable, urgency: .reserve))
    for frame in all where frame.value < 3584 && frame.value % 2 == 0 {
      test.frames.release(frame)
    }
    test.frames.drainCPULists()
    let kernel = try test.frames.allocate(FrameRequest())
    #expect(test.frames.boost(of: .dma).value == 512)
    #expect(test.frames.statistics(of: .dma).boost.value == 512)
    let before = test.free
    let taken = test.exhaust(FrameRequest(kind: .anonymous, mobility: .movable))
    #expect(taken.count == before - 256)
    #expect(test.frames.boost(of: .dma) == .zero)
    test.frames.free(kernel)
    test.free(taken + all.filter { $0.value >= 3584 || $0.value % 2 == 1 })
    try test.frames.checkInvariants()
  }
}
