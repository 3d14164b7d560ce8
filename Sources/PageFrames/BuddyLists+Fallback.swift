// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryEvents
import MemoryUnits

extension BuddyLists {
  /// Takes a block of another mobility, and makes the page block it lies in one of this.
  ///
  /// The largest block goes first, so that few page blocks mix mobilities.
  ///
  /// Linux: `__rmqueue_claim()`, `try_to_claim_block()`.
  mutating func claim(
    _ order: Order, _ mobility: Mobility, in table: FrameTable
  ) -> PageFrameNumber? {
    var value = Order.max.value
    while value >= order.value {
      let size = Order(value)
      if let (block, owner) = fallbackBlock(size, mobility) {
        guard mayConvert(size, for: mobility) else { return nil }
        if size >= PageBlocks.order {
          pageBlocks.set(mobility, of: block, size)
          take(block, of: size, for: order, listed: owner, rest: mobility, in: table)
          return block
        }
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
    let start = PageFrameNumber(block.value & ~UInt32(length.value - 1))
    guard let (free, movable) = contents(of: start, length, in: table) else { return false }
    let alike: Int
    if new == .movable {
      alike = movable
    } else {
      alike = old == .movable ? length.value - free - movable : 0
    }
    guard free + alike >= length.value / 2 else { return false }
    moveFreeBlocks(of: start, length, from: old, to: new, in: table)
    pageBlocks.set(new, of: start)
    return true
  }

  /// Counts the frames of a page block that are free in the lists, and those that can be moved.
  ///
  /// - Returns: nil where the page block is not wholly in the table and the zone.
  private func contents(
    of start: PageFrameNumber, _ length: PageCount, in table: FrameTable
  ) -> (free: Int, movable: Int)? {
    let last = start + PageCount(length.value - 1)
    guard table.contains(last), table[start].zone == zone, table[last].zone == zone else {
      return nil
    }
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

  private mutating func moveFreeBlocks(
    of start: PageFrameNumber, _ length: PageCount, from old: Mobility, to new: Mobility,
    in table: FrameTable
  ) {
    var offset = 0
    while offset < length.value {
      let frame = start + PageCount(offset)
      let descriptor = table[frame]
      if descriptor.isListed {
        move(frame, descriptor.order, from: old, to: new, in: table)
      }
      offset += descriptor.isHead ? descriptor.order.pageCount.value : 1
    }
  }
}
