// SPDX-License-Identifier: Apache-2.0

import MemoryUnits
import Testing

@testable import PageFrames

/// What is kept for requests of several frames that cannot wait.
@Suite struct HighAtomicTests {
  private let atomic = FrameRequest(order: Order(2), flags: .atomic)

  /// One zone of 64 Ki frames, so that a hundredth of it is two page blocks, rounded up.
  private func machine() throws -> FrameMachine {
    try FrameMachine(
      frameCount: 65_536,
      zones: ZoneLayout(
        dmaEnd: PageFrameNumber(.max), dma32End: PageFrameNumber(.max),
        normalEnd: PageFrameNumber(.max), highMemoryEnd: PageFrameNumber(.max)),
      minimumFreeKibibytes: 16_384, eventStorage: .dropped)
  }

  @Test(arguments: [(51_199, 0), (51_200, 512), (65_536, 1024), (102_400, 1024), (102_500, 1536)])
  func `a hundredth of a zone is kept, in page blocks`(managed: Int, kept: Int) {
    #expect(BuddyLists.mostKept(ofManaged: PageCount(managed)).value == kept)
  }

  @Test func `above the low mark nothing is kept`() throws {
    let test = try machine()
    test.frames.free(try test.frames.allocate(atomic))
    #expect(test.frames.statistics(of: .dma).highAtomic == .zero)
  }

  @Test func `below the low mark such a request's page block is kept, up to the limit`() throws {
    let test = try machine()
    var taken = test.exhaust(FrameRequest(kind: .anonymous, mobility: .movable))
    var blocks: [PageFrameNumber] = []
    // Down to three eighths of the minimum: a request that may wait gets nothing any more.
    while let block = try? test.frames.allocate(atomic) { blocks.append(block.surrender()) }
    let minimum = test.frames.statistics(of: .dma).watermarks.minimum.value
    let floor = minimum - minimum / 2 - (minimum - minimum / 2) / 4
    // A CPU's list is filled by the batch.
    #expect((floor - 63..<floor + 8).contains(test.frames.freePageCount.value))
    let kept = test.frames.statistics(of: .dma).highAtomic
    #expect(kept.value == 1024)
    #expect(test.frames.pageBlockCount(of: .highAtomic, in: .dma) == 2)
    try test.frames.checkInvariants()

    // What is freed there is counted apart, and ordinary requests do not see it.
    test.free(blocks, Order(2))
    test.free(Array(taken[..<3000]))
    taken.removeFirst(3000)
    test.frames.drainCPULists()
    let free = test.frames.freePageCount.value
    let more = test.exhaust(FrameRequest(kind: .anonymous, mobility: .movable))
    let keptFree = test.frames.state.value.zones[0].lists.withLock { $0.counts.highAtomic.value }
    let share = free - minimum - keptFree
    #expect(keptFree > 100 && (share...share + 63).contains(more.count))
    #expect(more.allSatisfy { test.frames.pageBlocks.mobility(of: $0) != .highAtomic })
    test.free(taken + more)
    try test.frames.checkInvariants()
  }

  @Test func `what is kept is given up before a request fails`() throws {
    let test = try machine()
    let taken = test.exhaust(FrameRequest(kind: .anonymous, mobility: .movable))
    var blocks: [PageFrameNumber] = []
    while let block = try? test.frames.allocate(atomic) { blocks.append(block.surrender()) }
    test.free(blocks, Order(2))
    test.frames.drainCPULists()
    // Everything that an ordinary request may have, and then some.
    var more: [PageFrameNumber] = []
    let request = FrameRequest(kind: .anonymous, mobility: .movable)
    while let block = try? test.frames.allocate(request, relief: NoRelief()) {
      more.append(block.surrender())
    }
    #expect(test.frames.statistics(of: .dma).highAtomic == .zero)
    #expect(test.frames.pageBlockCount(of: .highAtomic, in: .dma) == 0)
    let minimum = test.frames.statistics(of: .dma).watermarks.minimum.value
    #expect((minimum - 63...minimum).contains(test.free))
    test.free(taken + more)
    try test.frames.checkInvariants()
  }

  @Test func `a single frame that cannot wait may come from there when all else fails`() throws {
    let field = try BuddyField([.highAtomic])
    field.lists.highAtomicPageCount = PageCount(512)
    field.free(0, 0, order: 4)
    let patient = field.lists.takeKept(.zero, AllocationRules(), in: field.table)
    let urgent = field.lists.takeKept(.zero, .cannotWait, in: field.table)
    #expect(patient == nil && urgent == BuddyField.frame(0))
    #expect(field.lists.counts.highAtomic.value == 15)
  }

  @Test func `a whole page block that is given up merges with its neighbour`() throws {
    let field = try BuddyField([.isolated, .movable, .highAtomic])
    field.lists.highAtomicPageCount = PageCount(512)
    field.free(1, order: 9)
    field.free(2, order: 9)
    #expect(field.counts(.highAtomic)[9] == 1)
    let most = field.lists.giveUpKept(to: .movable, keeping: PageCount(512), in: field.table)
    let all = field.lists.giveUpKept(to: .movable, keeping: .zero, in: field.table)
    #expect(!most && all)
    #expect(field.counts(.movable)[10] == 1 && field.lists.freePageCount.value == 1024)
    #expect(field.lists.highAtomicPageCount == .zero)
    try field.lists.checkInvariants(in: field.table)
  }
}
