// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryEvents
import MemoryUnits

/// Where the last block of a mobility came from, so that the next is looked for there first.
///
/// Linux: `enum rmqueue_mode`.
enum FallbackMode: UInt8, BitwiseCopyable {
  case own, borrow, steal
}

extension BuddyLists {
  /// Removes a block, of the smallest sufficient list of its mobility, otherwise from another's.
  ///
  /// Linux: `__rmqueue()`.
  ///
  /// - Complexity: O(`Order.max`), and O(frames of a page block) where one changes its mobility.
  /// - Context: zone lock held; never sleeps.
  mutating func allocate(
    _ order: Order, _ mobility: Mobility, _ rules: AllocationRules = AllocationRules(),
    _ mode: inout FallbackMode, in table: FrameTable
  ) -> PageFrameNumber? {
    if borrowsFirst(mobility), let block = takeSmallest(order, .contiguous, in: table) {
      return block
    }
    if mode == .own, let block = takeSmallest(order, mobility, in: table) { return block }
    if mode != .steal, mobility == .movable,
      let block = takeSmallest(order, .contiguous, in: table)
    {
      mode = .borrow
      return block
    }
    if mode != .steal, let block = claim(order, mobility, rules, in: table) {
      mode = .own
      return block
    }
    guard !rules.contains(.keepsApart), let block = steal(order, mobility, in: table) else {
      return nil
    }
    mode = .steal
    return block
  }

  /// Takes a block of another mobility, and makes the page block it lies in one of this.
  ///
  /// The largest block goes first, so that few page blocks mix mobilities.
  ///
  /// Linux: `__rmqueue_claim()`, `try_to_claim_block()`.
  mutating func claim(
    _ order: Order, _ mobility: Mobility, _ rules: AllocationRules, in table: FrameTable
  ) -> PageFrameNumber? {
    let smallest = rules.contains(.keepsApart) ? max(order, PageBlocks.order) : order
    var value = Order.max.value
    while value >= smallest.value {
      let size = Order(value)
      guard mayConvert(size, for: mobility) else { return nil }
      if let (block, owner) = fallbackBlock(size, mobility) {
        if size >= PageBlocks.order {
          pageBlocks.set(mobility, of: block, size)
          take(block, of: size, for: order, listed: owner, rest: mobility, in: table)
          return block
        }
        boost.raise()
        if convertPageBlock(around: block, from: owner, to: mobility, in: table) {
          return takeSmallest(order, mobility, in: table)
        }
      }
      if value == 0 { return nil }
      value -= 1
    }
    return nil
  }

  /// Takes the smallest sufficient block of another mobility, which the page block keeps.
  ///
  /// Linux: `__rmqueue_steal()`.
  mutating func steal(
    _ order: Order, _ mobility: Mobility, in table: FrameTable
  ) -> PageFrameNumber? {
    for value in order.value...Order.max.value {
      let size = Order(value)
      guard let (block, owner) = fallbackBlock(size, mobility) else { continue }
      take(block, of: size, for: order, listed: owner, rest: owner, in: table)
      return block
    }
    return nil
  }

  /// Linux: `find_suitable_fallback()`.
  private func fallbackBlock(
    _ size: Order, _ mobility: Mobility
  ) -> (PageFrameNumber, Mobility)? {
    let (second, third) = mobility.fallbacks
    if let block = firstBlock(size, second) { return (block, second) }
    if let block = firstBlock(size, third) { return (block, third) }
    return nil
  }

  /// Linux: `should_try_claim_block()`.
  private func mayConvert(_ size: Order, for mobility: Mobility) -> Bool {
    size.value >= PageBlocks.order.value / 2 || mobility != .movable
  }

  /// Gives a page block another mobility if half of it is free or alike.
  private mutating func convertPageBlock(
    around block: PageFrameNumber, from old: Mobility, to new: Mobility, in table: FrameTable
  ) -> Bool {
    let length = PageBlocks.order.pageCount
    let start = PageBlocks.start(of: block)
    guard let (free, movable) = contents(of: start, length, in: table) else { return false }
    let alike: Int
    if new == .movable {
      alike = movable
    } else {
      alike = old == .movable ? length.value - free - movable : 0
    }
    guard free + alike >= length.value / 2 else { return false }
    moveFreeBlocks(of: start, from: old, to: new, in: table)
    return true
  }

  /// Counts the frames of a page block that are free in the lists, and those that can be moved.
  ///
  /// - Returns: nil where the page block is not wholly in the table and the zone.
  private func contents(
    of start: PageFrameNumber, _ length: PageCount, in table: FrameTable
  ) -> (free: Int, movable: Int)? {
    guard holds(pageBlock: start, in: table) else { return nil }
    var (free, movable, offset) = (0, 0, 0)
    while offset < length.value {
      let descriptor = table[start + PageCount(offset)]
      let size = descriptor.isHead ? descriptor.order.pageCount.value : 1
      switch descriptor.kind {
      case .free where descriptor.isListed: free += size
      case .anonymous, .file: movable += size
      default: break
      }
      offset += size
    }
    return (min(free, length.value), movable)
  }

  /// Gives a page block another mobility, and what is free of it that one's lists.
  ///
  /// Linux: `__move_freepages_block()` and `set_pageblock_migratetype()`.
  ///
  /// - Precondition: it is wholly in the table and the zone, and no free block is larger.
  mutating func moveFreeBlocks(
    of start: PageFrameNumber, from old: Mobility, to new: Mobility, in table: FrameTable
  ) {
    var offset = 0
    while offset < PageBlocks.frameCount {
      let frame = start + PageCount(offset)
      let descriptor = table[frame]
      if descriptor.isListed {
        move(frame, descriptor.order, from: old, to: new, in: table)
      }
      offset += descriptor.isHead ? descriptor.order.pageCount.value : 1
    }
    pageBlocks.set(new, of: start)
  }

  /// Whether all frames of a page block are in the table and the zone.
  func holds(pageBlock start: PageFrameNumber, in table: FrameTable) -> Bool {
    let last = start + PageCount(PageBlocks.frameCount - 1)
    return table.contains(last) && table[start].zone == zone && table[last].zone == zone
  }
}
