// SPDX-License-Identifier: Apache-2.0

import MemoryUnits
import Testing

@testable import PageFrames

@Suite struct FragmentationIndexTests {
  @Test(arguments: [
    // Free blocks by order, the order asked for, Linux's index and its share of useless frames.
    ([0, 0, 0], 1, 0, 1000),
    ([100], 4, 928, 1000), ([1000], 4, 937, 1000), ([10_000], 9, 998, 1000),
    ([1], 10, 0, 1000), ([3, 2, 1], 3, 605, 1000),
    ([3, 2, 1], 2, -1000, 636), ([3, 2, 1], 0, -1000, 0),
    ([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3], 9, -1000, 0),
    ([549, 603, 547, 399, 118, 696, 540, 357, 119], 9, 930, 1000),
    ([107, 63, 41, 25, 18, 10, 6, 1, 0, 3, 750], 9, -1000, 2),
  ])
  func `it is computed as Linux does`(blocks: [Int], order: Int, index: Int, unusable: Int) {
    var info = FragmentationIndex(order: Order(UInt8(order)))
    for (size, count) in blocks.enumerated() { info.add(count, of: Order(UInt8(size))) }
    #expect(info.index == index)
    #expect(info.unusableIndex == unusable)
  }

  @Test func `a machine whose every second frame is free is in pieces`() throws {
    let test = try FrameMachine(frameCount: 4096)
    #expect(test.frames.fragmentation(Order(9), of: .dma).index == -1000)
    let taken = test.exhaust(FrameRequest(urgency: .reserve))
    #expect(test.frames.fragmentation(Order(1), of: .dma).index == 0)
    test.free(taken.filter { $0.value % 2 == 0 })
    test.frames.drainCPULists()
    let info = test.frames.fragmentation(Order(1), of: .dma)
    #expect(info.freeBlockCount == info.freePageCount.value)
    #expect(info.index == 1000 - (1000 + info.freeBlockCount * 500) / info.freeBlockCount)
    #expect(info.unusableIndex == 1000)
    test.free(taken.filter { $0.value % 2 == 1 })
    test.frames.drainCPULists()
    #expect(test.frames.fragmentation(Order(9), of: .dma).index == -1000)
  }
}
