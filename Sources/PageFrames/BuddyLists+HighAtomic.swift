// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryEvents
import MemoryUnits

/// A few page blocks that are kept for requests of several frames which cannot wait.
extension BuddyLists {
  /// Keeps the page block that such a request was just served from, up to a hundredth of a zone.
  ///
  /// Linux: `reserve_highatomic_pageblock()`.
  ///
  /// - Context: zone lock held; never sleeps.
  mutating func keep(
    _ block: PageFrameNumber, _ order: Order, ofManaged managed: PageCount, in table: FrameTable
  ) {
    guard highAtomicPageCount < Self.mostKept(ofManaged: managed) else { return }
    let old = pageBlocks.mobility(of: block)
    guard old.isMergeable else { return }
    guard order < PageBlocks.order else {
      pageBlocks.set(.highAtomic, of: block, order)
      highAtomicPageCount += order.pageCount
      return
    }
    let start = PageBlocks.start(of: block)
    guard holds(pageBlock: start, in: table) else { return }
    moveFreeBlocks(of: start, from: old, to: .highAtomic, in: table)
    highAtomicPageCount += PageCount(PageBlocks.frameCount)
  }

  /// A hundredth of a zone in whole page blocks, and nothing where it is less than one.
  static func mostKept(ofManaged managed: PageCount) -> PageCount {
    let share = managed.value / 100
    guard share >= PageBlocks.frameCount else { return .zero }
    return PageCount((share + PageBlocks.frameCount - 1) & ~(PageBlocks.frameCount - 1))
  }

  /// Takes a kept block for somebody who cannot wait, where all else failed.
  ///
  /// Linux: the end of `rmqueue_buddy()`.
  mutating func takeKept(
    _ order: Order, _ rules: AllocationRules, in table: FrameTable
  ) -> PageFrameNumber? {
    guard rules.contains(.cannotWait) || rules.contains(.highAtomic) else { return nil }
    return takeSmallest(order, .highAtomic, in: table)
  }

  /// Gives one kept page block that has something free to a mobility.
  ///
  /// Linux: `unreserve_highatomic_pageblock()`.
  ///
  /// - Parameter least: so many frames stay kept.
  /// - Returns: whether there was one.
  mutating func giveUpKept(
    to mobility: Mobility, keeping least: PageCount, in table: FrameTable
  ) -> Bool {
    guard highAtomicPageCount > least else { return false }
    for value in 0..<UInt8(Order.count) {
      let order = Order(value)
      guard let block = firstBlock(order, .highAtomic) else { continue }
      let size = max(order.pageCount, PageCount(PageBlocks.frameCount))
      highAtomicPageCount -= min(size, highAtomicPageCount)
      if order < PageBlocks.order {
        moveFreeBlocks(
          of: PageBlocks.start(of: block), from: .highAtomic, to: mobility, in: table)
      } else {
        // Through `free`, since its buddy may merge with it now.
        unlist(block, order, .highAtomic, in: table)
        pageBlocks.set(mobility, of: block, order)
        free(block, order, in: table)
      }
      return true
    }
    return false
  }
}

extension PageFrames {
  /// Gives one page block that is kept for requests which cannot wait to a mobility.
  ///
  /// Linux: `unreserve_highatomic_pageblock()`.
  ///
  /// - Parameter least: so many frames of each zone stay kept.
  /// - Returns: whether there was one.
  func giveUpKept(_ request: FrameRequest, keeping least: PageCount) -> Bool {
    let mobility = mobility(of: request)
    var index = request.zoneLimit.index
    while index >= 0 {
      let wasKept = state.value.zones[index].lists.withLock { (lists: inout BuddyLists) in
        lists.giveUpKept(to: mobility, keeping: least, in: table)
      }
      if wasKept { return true }
      index -= 1
    }
    return false
  }
}
