// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryEvents
import MemoryUnits

/// Frames in a row at a given place, whatever is there now.
///
///     isolate(range) ── nothing is allocated there any more ── what is in use is moved away
///        ├── takeIsolated(range) ── the caller's
///        └── endIsolation(range) ── always: the page blocks are what they were
///
/// Moving is done by who knows the page tables, in between.
///
/// Linux: `alloc_contig_range()`, `free_contig_range()`.
extension PageFrames {
  /// Lets nobody allocate from the page blocks of a range from now on.
  ///
  /// Linux: `start_isolate_page_range()`, `drain_all_pages()`.
  ///
  /// - Throws: `notInOneZone`, `isolatedAlready`; nothing has changed then.
  /// - Context: any; never sleeps; takes list and zone locks.
  public func isolate(_ range: FrameRange) throws(ContiguousError) {
    let zone = try zone(of: range)
    try state.value.zones[zone].lists.withLock {
      (lists: inout BuddyLists) throws(ContiguousError) in
      var block = Self.firstPageBlock(of: range)
      while block < range.end {
        guard pageBlocks.mobility(of: block) != .isolated else { throw .isolatedAlready }
        block = block + PageBlocks.order.pageCount
      }
      block = Self.firstPageBlock(of: range)
      while block < range.end {
        lists.setIsolated(true, block, in: table)
        block = block + PageBlocks.order.pageCount
      }
    }
    drainCPULists()
  }

  /// Makes the page blocks of a range what they were before `isolate`.
  ///
  /// Linux: `undo_isolate_page_range()`.
  ///
  /// - Precondition: they are isolated.
  /// - Context: any; never sleeps; takes the zone lock.
  public func endIsolation(of range: FrameRange) {
    let zone = table[range.first].zone.index
    state.value.zones[zone].lists.withLock { (lists: inout BuddyLists) in
      var block = Self.firstPageBlock(of: range)
      while block < range.end {
        precondition(pageBlocks.mobility(of: block) == .isolated, "an isolation without a begin")
        lists.setIsolated(false, block, in: table)
        block = block + PageBlocks.order.pageCount
      }
    }
  }

  /// Allocates all frames of an isolated range, each by itself and held once.
  ///
  /// Each is logged as part of the largest block that fits, which is then split.
  ///
  /// - Throws: `inUse` with the first frame that is; nothing has changed then.
  /// - Context: any; never sleeps; takes the zone lock.
  public func takeIsolated(
    _ range: FrameRange, kind: FrameKind
  ) throws(ContiguousError) -> ContiguousFrames {
    let zone = try zone(of: range)
    try state.value.zones[zone].lists.withLock {
      (lists: inout BuddyLists) throws(ContiguousError) in
      if let frame = lists.firstFrameInUse(from: range.first, to: range.end, in: table) {
        throw .inUse(frame)
      }
      lists.take(from: range.first, to: range.end, in: table)
    }
    var frame = range.first
    while frame < range.end {
      let order = Order.largest(at: frame, upTo: range.end)
      table[frame].kindAndOrder = FrameDescriptor.pack(kind, order)
      table[frame].flagsAndZone &= FrameFlags.zoneMask
      table[frame].references = 1
      table[frame].privateWord = 0
      table[frame].next = 0
      table[frame].previous = 0
      machine.record(
        MemoryEvent(
          .frameAllocated, detail: UInt16(kind.rawValue) << 8 | UInt16(order.value),
          frame: frame.value))
      if order > .zero { _ = split(FrameBlock(frame, order)) }
      frame = frame + order.pageCount
    }
    return ContiguousFrames(range)
  }

  /// Gives frames in a row back. Linux: `free_contig_range()`.
  ///
  /// - Precondition: nothing maps them and nobody else holds one.
  /// - Context: any; never sleeps; takes list and zone locks.
  public func free(_ frames: consuming ContiguousFrames) {
    let range = frames.surrender()
    for offset in 0..<range.count.value {
      free(FrameBlock.adopt(range.first + PageCount(offset)))
    }
  }

  /// The block that a frame lies in as one that moves frames sees it.
  ///
  /// - Returns: the first frame behind it, and its descriptor where it is in use.
  /// - Complexity: O(`Order.max`).
  public func blockInUse(
    around frame: PageFrameNumber
  ) -> (end: PageFrameNumber, head: PageFrameNumber?) {
    let head = table.head(of: frame)
    let descriptor = table[head]
    return (head + descriptor.order.pageCount, descriptor.kind == .free ? nil : head)
  }

  private static func firstPageBlock(of range: FrameRange) -> PageFrameNumber {
    PageFrameNumber(range.first.value & ~UInt32(PageBlocks.frameCount - 1))
  }

  /// The number of the zone that a range and its page blocks lie in.
  private func zone(of range: FrameRange) throws(ContiguousError) -> Int {
    guard range.count > .zero, Int(range.first.value) + range.count.value <= table.count else {
      throw .notInOneZone
    }
    let zone = table[range.first].zone
    var block = Self.firstPageBlock(of: range)
    while block < range.end {
      let last = block + PageCount(PageBlocks.frameCount - 1)
      guard table[block].zone == zone, !table.contains(last) || table[last].zone == zone else {
        throw .notInOneZone
      }
      block = block + PageBlocks.order.pageCount
    }
    return zone.index
  }
}
