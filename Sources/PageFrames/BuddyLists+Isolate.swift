// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryUnits

/// Page blocks from which nothing is allocated, while what is in them is moved away.
///
/// Linux: `mm/page_isolation.c`.
extension BuddyLists {
  /// Makes a page block one where nothing is allocated, or what it was before; what is free in it
  /// goes to the lists of its new mobility.
  ///
  /// A free block of two page blocks is cut, or made whole again.
  ///
  /// Linux: `move_freepages_block_isolate()`.
  ///
  /// - Parameter start: the first frame of a page block of this zone.
  /// - Complexity: O(frames of a page block).
  /// - Context: zone lock held; never sleeps.
  mutating func setIsolated(_ isIsolated: Bool, _ start: PageFrameNumber, in table: FrameTable) {
    if let block = freeBlock(around: start, in: table), block.order > PageBlocks.order {
      unlist(block.first, block.order, pageBlocks.mobility(of: block.first), in: table)
      pageBlocks.setIsolated(isIsolated, of: start)
      free(block.first, PageBlocks.order, in: table)
      free(block.first.buddy(PageBlocks.order), PageBlocks.order, in: table)
      return
    }
    let old = pageBlocks.mobility(of: start)
    pageBlocks.setIsolated(isIsolated, of: start)
    var offset = 0
    while offset < PageBlocks.frameCount, table.contains(start + PageCount(offset)) {
      let frame = start + PageCount(offset)
      let descriptor = table[frame]
      if descriptor.isListed {
        unlist(frame, descriptor.order, old, in: table)
        free(frame, descriptor.order, in: table)
      }
      offset += descriptor.isHead ? descriptor.order.pageCount.value : 1
    }
  }

  /// The free block that a frame lies in, if it is on a list.
  ///
  /// - Complexity: O(`Order.max`).
  /// - Context: zone lock held.
  func freeBlock(
    around frame: PageFrameNumber, in table: FrameTable
  ) -> (first: PageFrameNumber, order: Order)? {
    for value in 0..<UInt8(Order.count) {
      let candidate = PageFrameNumber(frame.value & ~((1 << UInt32(value)) - 1))
      let descriptor = table[candidate]
      if descriptor.isListed, descriptor.zone == zone, descriptor.order.value >= value {
        return (candidate, descriptor.order)
      }
    }
    return nil
  }

  /// The first frame of a range that is not in a free block of an isolated page block.
  ///
  /// Linux: `test_pages_isolated()`.
  ///
  /// - Context: zone lock held.
  func firstFrameInUse(
    from first: PageFrameNumber, to end: PageFrameNumber, in table: FrameTable
  ) -> PageFrameNumber? {
    var frame = first
    while frame < end {
      guard pageBlocks.mobility(of: frame) == .isolated,
        let block = freeBlock(around: frame, in: table)
      else { return frame }
      frame = block.first + block.order.pageCount
    }
    return nil
  }

  /// Takes all frames of a range off the lists; what reaches over its ends stays free.
  ///
  /// Linux: `isolate_freepages_range()`.
  ///
  /// - Precondition: `firstFrameInUse` finds none.
  /// - Context: zone lock held; never sleeps.
  mutating func take(
    from first: PageFrameNumber, to end: PageFrameNumber, in table: FrameTable
  ) {
    placedCount &+= UInt64((end - first).value)
    var frame = first
    while frame < end {
      guard let block = freeBlock(around: frame, in: table) else {
        preconditionFailure("a frame of the range is not free")
      }
      let limit = block.first + block.order.pageCount
      unlist(block.first, block.order, pageBlocks.mobility(of: block.first), in: table)
      freeParts(from: block.first, to: frame, in: table)
      freeParts(from: min(end, limit), to: limit, in: table)
      frame = limit
    }
  }

  /// Frees frames that are on no list, as the largest blocks that they make.
  private mutating func freeParts(
    from first: PageFrameNumber, to end: PageFrameNumber, in table: FrameTable
  ) {
    var frame = first
    while frame < end {
      let order = Order.largest(at: frame, upTo: end)
      free(frame, order, in: table)
      frame = frame + order.pageCount
    }
  }
}

extension Order {
  /// The largest block that begins at a frame and does not reach over an end.
  static func largest(at frame: PageFrameNumber, upTo end: PageFrameNumber) -> Order {
    let aligned = min(frame.value.trailingZeroBitCount, Int(Order.max.value))
    let fitting = Int.bitWidth - 1 - (end - frame).value.leadingZeroBitCount
    return Order(UInt8(min(aligned, fitting)))
  }
}
