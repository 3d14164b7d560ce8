// SPDX-License-Identifier: Apache-2.0

import MemoryUnits

/// How the free frames of a zone serve blocks of one order.
///
/// Linux: `struct contig_page_info`, mm/vmstat.c.
public struct FragmentationIndex: Sendable, BitwiseCopyable, Equatable {
  public let order: Order
  public var freePageCount = PageCount.zero
  /// Free blocks of whatever order.
  public var freeBlockCount = 0
  /// Blocks of the order in question that could be cut out of them.
  public var suitableBlockCount = 0

  public init(order: Order) { self.order = order }

  /// Counts free blocks of one order. Linux: `fill_contig_page_info()`.
  public mutating func add(_ count: Int, of size: Order) {
    freeBlockCount += count
    freePageCount += PageCount(count << Int(size.value))
    if size >= order { suitableBlockCount += count << Int(size.value - order.value) }
  }

  /// Why an allocation would fail, in thousandths: towards 0 since there is little memory,
  /// towards 1000 since it is in pieces; −1000 where it would not fail.
  ///
  /// Linux: `__fragmentation_index()`.
  public var index: Int {
    guard freeBlockCount > 0 else { return 0 }
    guard suitableBlockCount == 0 else { return -1000 }
    let requested = UInt64(order.pageCount.value)
    let pieces = 1000 + UInt64(freePageCount.value) * 1000 / requested
    return 1000 - Int(pieces / UInt64(freeBlockCount))
  }

  /// The share of the free frames that is of no use to such an allocation, in thousandths.
  ///
  /// Linux: `unusable_free_index()`.
  public var unusableIndex: Int {
    // No free memory is as bad as none that is of use.
    guard freePageCount > .zero else { return 1000 }
    let useless = freePageCount.value - suitableBlockCount << Int(order.value)
    return Int(UInt64(useless) * 1000 / UInt64(freePageCount.value))
  }
}

extension PageFrames {
  /// How the free frames of a zone serve blocks of an order.
  ///
  /// Linux: `fragmentation_index()`, /sys/kernel/debug/extfrag.
  ///
  /// - Complexity: O(free blocks), with the zone locked once for each list.
  public func fragmentation(_ order: Order, of zone: ZoneKind) -> FragmentationIndex {
    var index = FragmentationIndex(order: order)
    for value in 0..<UInt8(Order.count) {
      let size = Order(value)
      index.add(freeBlockCount(size, of: zone), of: size)
    }
    return index
  }
}
