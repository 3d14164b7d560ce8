// SPDX-License-Identifier: Apache-2.0

import MemoryUnits
import Testing

@testable import PageFrames

/// Where a block comes from when its own mobility has none: the rules of Linux 6.12, one by one.
///
/// Linux: `__rmqueue_claim()`, `try_to_claim_block()`, `__rmqueue_steal()`.
@Suite struct MobilityFallbackTests {
  @Test func `its own mobility comes first, and the smallest block of it`() throws {
    let field = try BuddyField([.unmovable, .movable])
    field.free(0, 0, order: 8)
    field.free(0, 256, order: 3)
    field.free(1, order: 9)
    #expect(field.allocate(2, .unmovable) == BuddyField.frame(0, 256))
    #expect(field.counts(.unmovable) == [0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0])
    #expect(field.mobility(1) == .movable)
    try field.lists.checkInvariants(in: field.table)
  }

  @Test func `each mobility has an order of others to take from`() throws {
    for (wanted, sources) in [
      (Mobility.unmovable, [Mobility.reclaimable, .movable]),
      (.movable, [.reclaimable, .unmovable]), (.reclaimable, [.unmovable, .movable]),
    ] {
      // Page blocks 0 and 2 are no buddies.
      for order in [sources, sources.reversed()] {
        let field = try BuddyField([order[0], .isolated, order[1], .isolated])
        field.free(0, order: 9)
        field.free(2, order: 9)
        let index = order[0] == sources[0] ? 0 : 2
        #expect(field.allocate(0, wanted) == BuddyField.frame(index))
        #expect(field.mobility(index) == wanted)
        #expect(field.counts(wanted) == [1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0])
        #expect(field.mobility(2 - index) == sources[1])
      }
    }
  }

  @Test func `the largest block is claimed, whoever's it is`() throws {
    let field = try BuddyField([.reclaimable, .isolated, .isolated, .movable, .movable])
    field.free(0, order: 9)
    field.free(3, order: 9)
    field.free(4, order: 9)
    #expect(field.counts(.movable)[10] == 1)
    #expect(field.allocate(0, .unmovable) == BuddyField.frame(3))
    #expect(field.mobility(3) == .unmovable && field.mobility(4) == .unmovable)
    #expect(field.mobility(0) == .reclaimable)
    #expect(field.counts(.unmovable) == [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0])
    #expect(field.lists.boost.pageCount == .zero)
    try field.lists.checkInvariants(in: field.table)
  }

  @Test func `what is movable does not claim blocks below half a page block's order`() throws {
    let field = try BuddyField([.unmovable])
    field.free(0, 0, order: 3)
    field.free(0, 64, order: 2)
    field.free(0, 128, order: 1)
    #expect(field.allocate(1, .movable) == BuddyField.frame(0, 128))
    #expect(field.mobility(0) == .unmovable)
    #expect(field.allocate(0, .movable) == BuddyField.frame(0, 64))
    // The rest stays the owner's.
    #expect(field.counts(.unmovable) == [1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0])
    #expect(field.counts(.movable).allSatisfy { $0 == 0 })
  }

  @Test func `what is movable claims a page block of which half is free or movable`() throws {
    for (movable, isClaimed) in [(239, false), (240, true)] {
      let field = try BuddyField([.unmovable])
      field.free(0, 0, order: 4)
      field.use(0, 16..<(16 + movable), as: .anonymous)
      #expect(field.allocate(0, .movable) == BuddyField.frame(0))
      #expect(field.mobility(0) == (isClaimed ? .movable : .unmovable))
      let rest = [1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0]
      #expect(field.counts(isClaimed ? .movable : .unmovable) == rest)
      try field.lists.checkInvariants(in: field.table)
    }
  }

  @Test func `what is unmovable counts all that is not movable as alike`() throws {
    for (movable, isClaimed) in [(257, false), (256, true)] {
      let field = try BuddyField([.movable])
      field.free(0, 0, order: 0)
      field.use(0, 1..<(1 + movable), as: .anonymous)
      #expect(field.allocate(0, .unmovable) == BuddyField.frame(0))
      #expect(field.mobility(0) == (isClaimed ? .unmovable : .movable))
    }
  }

  @Test func `unmovable and reclaimable count nothing of each other as alike`() throws {
    for (size, isClaimed) in [(7, false), (8, true)] {
      for (wanted, owner) in [
        (Mobility.unmovable, Mobility.reclaimable), (.reclaimable, .unmovable),
      ] {
        let field = try BuddyField([owner])
        field.free(0, 0, order: size)
        #expect(field.allocate(0, wanted) == BuddyField.frame(0))
        #expect(field.mobility(0) == (isClaimed ? wanted : owner))
      }
    }
  }

  @Test func `a page block that crosses the zone's end is not claimed`() throws {
    let field = try BuddyField([.movable])
    for offset in 500..<512 {
      field.table[BuddyField.frame(0, offset)] = FrameDescriptor(.reserved, zone: .highMemory)
    }
    field.free(0, 0, order: 8)
    #expect(field.allocate(0, .unmovable) == BuddyField.frame(0))
    #expect(field.mobility(0) == .movable)
  }

  @Test func `whoever keeps apart takes whole page blocks only`() throws {
    let field = try BuddyField([.movable, .isolated, .movable])
    field.free(0, 0, order: 8)
    #expect(field.allocate(0, .unmovable, .keepsApart) == nil)
    #expect(field.lists.boost.pageCount == .zero)
    field.free(2, order: 9)
    #expect(field.allocate(0, .unmovable, .keepsApart) == BuddyField.frame(2))
    #expect(field.mobility(2) == .unmovable && field.mobility(0) == .movable)
  }

  @Test func `nobody takes what is kept, lent or isolated`() throws {
    let field = try BuddyField([.highAtomic, .contiguous, .isolated])
    for block in 0..<3 { field.free(block, order: 8) }
    for mobility in [Mobility.unmovable, .reclaimable] {
      #expect(field.allocate(0, mobility) == nil)
    }
    // But what is movable borrows.
    #expect(field.allocate(0, .movable) == BuddyField.frame(1))
    #expect(field.lists.freePageCount.value == 511)
    #expect(field.lists.setAsideCount(.highAtomic).value == 256)
    #expect(field.lists.setAsideCount(.contiguous).value == 255)
    #expect(field.lists.setAsideCount(.isolated).value == 256)
  }

  @Test func `page blocks that are set aside do not merge with others`() throws {
    for (mobility, merges) in [
      (Mobility.unmovable, true), (.highAtomic, false), (.contiguous, false), (.isolated, false),
    ] {
      // Frames 1024 to 2047: buddies of order 9.
      let field = try BuddyField([.isolated, .movable, mobility])
      field.free(1, order: 9)
      field.free(2, order: 9)
      #expect(field.counts(mobility)[10] == (merges ? 1 : 0))
      #expect(field.counts(.movable)[9] == (merges ? 0 : 1))
      try field.lists.checkInvariants(in: field.table)
    }
  }

  @Test func `a claim of less than a page block raises the marks, granted or not`() throws {
    for offset in [0, 64] {
      let field = try BuddyField([.movable, .isolated, .movable])
      field.lists.boost.setLimit(managed: PageCount(4096), high: PageCount(2000))
      field.use(0, offset..<512, as: .anonymous)
      field.free(0, 0, order: offset == 0 ? 0 : 6)
      _ = field.allocate(0, .unmovable)
      // Once for each size that was tried and not enough.
      #expect(field.lists.boost.pageCount.value == 512)
      #expect(field.mobility(0) == .movable)
    }
  }

  @Test func `after a steal the next blocks of a batch are looked for there first`() throws {
    let field = try BuddyField([.movable])
    field.use(0, 0..<512, as: .anonymous)
    field.free(0, 0, order: 0)
    field.free(0, 8, order: 0)
    var mode = FallbackMode.own
    let first = field.lists.allocate(.zero, .unmovable, AllocationRules(), &mode, in: field.table)
    #expect(first == BuddyField.frame(0, 8) && mode == .steal)
    field.lists.boost.setLimit(managed: PageCount(4096), high: PageCount(2000))
    let second = field.lists.allocate(.zero, .unmovable, AllocationRules(), &mode, in: field.table)
    #expect(second == BuddyField.frame(0, 0))
    #expect(field.lists.boost.pageCount == .zero)
  }
}
