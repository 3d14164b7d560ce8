// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryEvents
import MemoryUnits

/// The free blocks of one zone, by order and mobility.
///
/// Two blocks are buddies if their frame numbers differ only in the bit their order selects, so
/// a block's buddy is found without a search. Free buddies never coexist: `free` merges them.
/// A block is on the list of the mobility of the page block it begins in.
///
/// Linux: `struct free_area`, `__rmqueue_smallest()`, `__free_one_page()`.
struct BuddyLists: BitwiseCopyable {
  let zone: ZoneKind
  let pageBlocks: PageBlocks
  /// The frames in all lists but the isolated ones. Linux: `NR_FREE_PAGES`.
  private(set) var freePageCount = PageCount.zero
  /// The frames in the lists that no request of its own mobility takes from, by what is beyond
  /// those. Linux: `nr_free_highatomic`, `NR_FREE_CMA_PAGES`.
  private var setAside = InlineArray<3, PageCount>(repeating: .zero)

  /// Eight to an order, two of them unused, so that a place is found without a product.
  private var lists = InlineArray<88, FrameList>(repeating: FrameList())

  init(zone: ZoneKind, _ pageBlocks: PageBlocks) {
    self.zone = zone
    self.pageBlocks = pageBlocks
  }

  /// Those of the free frames in contiguous areas. Linux: `NR_FREE_CMA_PAGES`.
  var freeContiguousCount: PageCount { setAsideCount(.contiguous) }

  /// Free frames beside them, of isolated page blocks.
  var isolatedCount: PageCount { setAsideCount(.isolated) }

  /// Whether movable memory goes into contiguous areas although there is other: when they have
  /// more than half of what is free, so that both are used alike.
  ///
  /// Linux: `__rmqueue()`.
  func borrowsFirst(_ mobility: Mobility) -> Bool {
    mobility == .movable && freeContiguousCount.value &<< 1 > freePageCount.value
  }

  /// What the lists know of their zone's marks.
  var boost = WatermarkBoost()
  /// Frames ever taken past the CPUs' lists by who uses them, and those taken at their places.
  private(set) var takenCount: UInt64 = 0
  var placedCount: UInt64 = 0
  /// The frames of page blocks of high atomic mobility. Linux: `nr_reserved_highatomic`.
  var highAtomicPageCount = PageCount.zero

  /// Adds a block, merged with its buddies as far as they are free.
  ///
  /// - Complexity: O(`Order.max`).
  /// - Context: zone lock held; never sleeps.
  mutating func free(
    _ first: PageFrameNumber, _ order: Order, in table: FrameTable, at end: ListEnd = .byNeighbour
  ) {
    let mobility = pageBlocks.mobility(of: first)
    account(order.pageCount.value, mobility)
    var block = first
    var size = order
    while size < .max {
      let buddy = block.buddy(size)
      guard table.contains(buddy), table[buddy].isFreeBlock(size, zone) else { break }
      // Below that order both are of one page block, and so of one mobility.
      let other = size < PageBlocks.order ? mobility : pageBlocks.mobility(of: buddy)
      guard other == mobility || other.isMergeable && mobility.isMergeable else { break }
      lists[slot(size, other)].remove(buddy, in: table)
      hide(buddy, in: table)
      // One mobility for what will be split as one.
      if other != mobility { pageBlocks.set(mobility, of: buddy, size) }
      block = min(block, buddy)
      size = Order(size.value + 1)
    }
    hide(first, in: table)
    let goesLast = end == .last || isLikelyToMerge(block, size, in: table)
    insert(block, size, mobility, in: table, at: goesLast ? .last : .first)
  }

  /// Where a freed block goes in its list.
  enum ListEnd {
    case first, last
    /// Last if its neighbour is free, so that both may merge before they are taken.
    case byNeighbour
  }

  /// The blocks of an order and a mobility.
  ///
  /// - Complexity: O(n).
  func blockCount(_ order: Order, _ mobility: Mobility, in table: FrameTable) -> Int {
    lists[slot(order, mobility)].count(in: table)
  }

  /// The blocks of an order, of every mobility.
  func blockCount(_ order: Order, in table: FrameTable) -> Int {
    var count = 0
    for number in 0..<UInt8(Mobility.count) {
      guard let mobility = Mobility(rawValue: number) else { continue }
      count += blockCount(order, mobility, in: table)
    }
    return count
  }

  func list(_ order: Order, _ mobility: Mobility) -> FrameList { lists[slot(order, mobility)] }

  /// The first block in a list.
  func firstBlock(_ order: Order, _ mobility: Mobility) -> PageFrameNumber? {
    let first = lists[slot(order, mobility)].first
    return first == 0 ? nil : PageFrameNumber(first)
  }

  /// Takes the smallest sufficient block of a mobility. Linux: `__rmqueue_smallest()`.
  mutating func takeSmallest(
    _ order: Order, _ mobility: Mobility, in table: FrameTable
  ) -> PageFrameNumber? {
    guard let (block, size) = popSmallest(order, mobility, in: table) else { return nil }
    giveBackRest(of: block, size, beyond: order.pageCount.value, mobility, in: table)
    return block
  }

  /// Takes the first block of the smallest sufficient order off its list.
  @inline(__always)  // Two callers, both on the way of every refill.
  mutating func popSmallest(
    _ order: Order, _ mobility: Mobility, in table: FrameTable
  ) -> (PageFrameNumber, Order)? {
    var size = Int(order.value)
    while size <= 10 {
      if let block = lists[size &<< 3 | Int(mobility.rawValue)].popFirst(in: table) {
        return (block, Order(UInt8(size)))
      }
      size += 1
    }
    return nil
  }

  /// Takes one block that is on a list, and keeps its first part of an order.
  ///
  /// Linux: `page_del_and_expand()`.
  mutating func take(
    _ block: PageFrameNumber, of size: Order, for order: Order, listed: Mobility,
    rest mobility: Mobility, in table: FrameTable
  ) {
    lists[slot(size, listed)].remove(block, in: table)
    giveBackRest(of: block, size, beyond: order.pageCount.value, mobility, in: table)
  }

  /// Moves a free block to the list of another mobility.
  mutating func move(
    _ block: PageFrameNumber, _ order: Order, from old: Mobility, to new: Mobility,
    in table: FrameTable
  ) {
    lists[slot(order, old)].remove(block, in: table)
    lists[slot(order, new)].pushLast(block, in: table)
    if !old.isMergeable || !new.isMergeable {
      account(-order.pageCount.value, old)
      account(order.pageCount.value, new)
    }
  }

  var counts: FreeCounts {
    FreeCounts(
      total: freePageCount, highAtomic: setAsideCount(.highAtomic),
      contiguous: setAsideCount(.contiguous), boost: boost.pageCount)
  }

  /// The frames in the lists of a mobility that is set aside.
  func setAsideCount(_ mobility: Mobility) -> PageCount {
    mobility.isMergeable ? .zero : setAside[Int(mobility.rawValue) - Mobility.requestCount]
  }

  /// Counts frames that come to a list, or leave it where there are fewer than none.
  ///
  /// Linux: `account_freepages()`.
  @inline(__always)  // With the mobility: what is left of it is one addition and one branch.
  private mutating func account(_ count: Int, _ mobility: Mobility) {
    guard mobility.isMergeable else { return accountSetAside(count, mobility) }
    freePageCount = PageCount(freePageCount.value + count)
  }

  private mutating func accountSetAside(_ count: Int, _ mobility: Mobility) {
    if mobility != .isolated { freePageCount = PageCount(freePageCount.value + count) }
    let place = Int(mobility.rawValue) - Mobility.requestCount
    setAside[place] = PageCount(setAside[place].value + count)
  }

  /// Counts a block that goes to who uses it, and not to a CPU's list.
  mutating func count(taken block: PageFrameNumber?, _ order: Order) -> PageFrameNumber? {
    if block != nil { takenCount &+= UInt64(order.pageCount.value) }
    return block
  }

  /// Keeps the first frames of a block that is off its list; the others go back as the largest
  /// blocks that they make.
  ///
  /// Linux: `expand()`.
  mutating func giveBackRest(
    of block: PageFrameNumber, _ size: Order, beyond taken: Int, _ mobility: Mobility,
    in table: FrameTable
  ) {
    var offset = taken
    while offset < size.pageCount.value {
      let part = Order(UInt8(offset.trailingZeroBitCount))
      insert(block + PageCount(offset), part, mobility, in: table, at: .first)
      offset += part.pageCount.value
    }
    account(-taken, mobility)
    hide(block, in: table)
  }

  /// Takes a free block off the list of a mobility; it is then on none.
  mutating func unlist(
    _ block: PageFrameNumber, _ order: Order, _ mobility: Mobility, in table: FrameTable
  ) {
    lists[slot(order, mobility)].remove(block, in: table)
    hide(block, in: table)
    account(-order.pageCount.value, mobility)
  }

  private mutating func insert(
    _ block: PageFrameNumber, _ order: Order, _ mobility: Mobility, in table: FrameTable,
    at end: ListEnd
  ) {
    table[block].kindAndOrder = FrameDescriptor.pack(.free, order)
    table[block].flagsAndZone = FrameDescriptor.pack(.listed, zone)
    if end == .last {
      lists[slot(order, mobility)].pushLast(block, in: table)
    } else {
      lists[slot(order, mobility)].pushFirst(block, in: table)
    }
  }

  /// Makes a frame the inside of a block, or a block on no list.
  func hide(_ frame: PageFrameNumber, in table: FrameTable) {
    table[frame].kindAndOrder = FrameDescriptor.pack(.free, .zero)
    table[frame].flagsAndZone = FrameDescriptor.pack(FrameFlags(), zone)
  }

  /// Linux: `buddy_merge_likely()`.
  @inline(__always)  // With the mobility: a page of a long munmap is 404 without, 371 with.
  private func isLikelyToMerge(
    _ block: PageFrameNumber, _ order: Order, in table: FrameTable
  ) -> Bool {
    guard order.value < 9 else { return false }
    let larger = Order(order.value + 1)
    let start = PageFrameNumber(block.value & ~(1 << UInt32(order.value)))
    let buddy = start.buddy(larger)
    return table.contains(buddy) && table[buddy].isFreeBlock(larger, zone)
  }

  private func slot(_ order: Order, _ mobility: Mobility) -> Int {
    Int(order.value) &<< 3 | Int(mobility.rawValue)
  }
}
