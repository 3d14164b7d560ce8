// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryUnits

extension BuddyLists {
  /// Removes neighbouring blocks: the first ones of the smallest sufficient block.
  ///
  /// The same blocks in the same order as `allocate` would give one after the other, and the same
  /// ones stay; but what is taken is not halved down to its order first.
  ///
  /// Linux: `rmqueue_bulk()`.
  ///
  /// - Returns: up to `limit` blocks, on no list.
  /// - Complexity: O(`Order.max`), and what `allocate` takes where no block is of this mobility.
  /// - Context: zone lock held; never sleeps.
  mutating func allocateRun(
    _ order: Order, _ mobility: Mobility, _ rules: AllocationRules, _ mode: inout FallbackMode,
    atMost limit: Int, in table: FrameTable
  ) -> FrameRun? {
    let first = borrowsFirst(mobility) ? Mobility.contiguous : mobility
    if first == .contiguous || mode == .own,
      let run = takeRun(order, first, atMost: limit, in: table)
    {
      return run
    }
    if mobility == .movable, first == .movable, mode != .steal,
      let run = takeRun(order, .contiguous, atMost: limit, in: table)
    {
      return run
    }
    guard let block = allocate(order, mobility, rules, &mode, in: table) else { return nil }
    return FrameRun(first: block, order: order, count: 1)
  }

  @inline(__always)  // On the way of every refill.
  private mutating func takeRun(
    _ order: Order, _ mobility: Mobility, atMost limit: Int, in table: FrameTable
  ) -> FrameRun? {
    guard let (block, size) = popSmallest(order, mobility, in: table) else { return nil }
    let count = min(limit, 1 &<< Int(size.value - order.value))
    let run = FrameRun(first: block, order: order, count: count)
    giveBackRest(of: block, size, beyond: run.frameCount, mobility, in: table)
    return run
  }

  /// Adds neighbouring blocks, as the largest blocks that they make, merged with their buddies.
  ///
  /// - Precondition: they are in one page block, or single.
  /// - Complexity: O(n + `Order.max`²).
  /// - Context: zone lock held; never sleeps.
  mutating func free(_ run: FrameRun, in table: FrameTable) {
    var frame = run.first.value
    for _ in 0..<run.count {
      table[PageFrameNumber(frame)].hide()
      frame &+= run.step
    }
    freeHidden(run, in: table)
  }

  /// The same of blocks whose descriptors say already that they are on no list.
  mutating func freeHidden(_ run: FrameRun, in table: FrameTable) {
    if run.count == 1 { return free(run.first, run.order, in: table) }
    var frame = run.first.value
    var left = run.frameCount
    while left > 0 {
      let aligned = min(frame.trailingZeroBitCount, Int(PageBlocks.order.value))
      let fitting = Int.bitWidth - 1 - left.leadingZeroBitCount
      let size = Order(UInt8(min(aligned, fitting)))
      free(PageFrameNumber(frame), size, in: table)
      frame &+= 1 &<< UInt32(size.value)
      left -= size.pageCount.value
    }
  }
}
