// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryEvents
import MemoryUnits

/// What compaction asks the page allocator for.
extension PageFrames {
  /// Takes the highest free frame of a range that lies among movable memory.
  ///
  /// Linux: `isolate_freepages()`, `suitable_migration_target()`.
  ///
  /// - Parameters:
  ///   - limit: the frame lies below it; the next call may begin at what this one gave.
  ///   - floor: and not below this; both are of one zone.
  /// - Complexity: O(frames passed · `Order.max`).
  /// - Context: any; never sleeps; takes the zone lock.
  public func takeHighestFree(
    from floor: PageFrameNumber, below limit: PageFrameNumber, kind: FrameKind
  ) -> FrameBlock? {
    guard floor < limit else { return nil }
    let zone = table[floor].zone.index
    let found = state.value.zones[zone].lists.withLock {
      (lists: inout BuddyLists) -> PageFrameNumber? in
      var number = limit.value
      while number > floor.value {
        let frame = PageFrameNumber(number - 1)
        let mobility = pageBlocks.mobility(of: frame)
        guard mobility == .movable || mobility == .contiguous else {
          number = frame.value & ~UInt32(PageBlocks.frameCount - 1)
          continue
        }
        if lists.freeBlock(around: frame, in: table) != nil {
          lists.take(from: frame, to: frame + PageCount(1), in: table)
          return frame
        }
        number -= 1
      }
      return nil
    }
    guard let found else { return nil }
    table[found].kindAndOrder = FrameDescriptor.pack(kind, .zero)
    table[found].flagsAndZone &= FrameFlags.zoneMask
    table[found].references = 1
    table[found].next = 0
    table[found].previous = 0
    machine.record(
      MemoryEvent(.frameAllocated, detail: UInt16(kind.rawValue) << 8, frame: found.value))
    return FrameBlock(found, .zero)
  }

  /// Whether a zone has a free block of an order at least, for memory of a mobility.
  ///
  /// Linux: `compact_finished()`.
  public func hasBlock(_ order: Order, _ mobility: Mobility, in kind: ZoneKind) -> Bool {
    state.value.zones[kind.index].lists.withLock { (lists: inout BuddyLists) in
      for value in order.value...Order.max.value {
        let size = Order(value)
        if lists.firstBlock(size, mobility) != nil { return true }
        if mobility == .movable, lists.firstBlock(size, .contiguous) != nil { return true }
        if value >= PageBlocks.order.value, lists.firstBlock(size, .movable) != nil { return true }
      }
      return false
    }
  }
}
