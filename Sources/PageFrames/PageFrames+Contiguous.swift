// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures
import Machine
import MemoryEvents
import MemoryUnits

/// The contiguous areas of a machine: which of their frames are taken, and who has them.
///
/// Here is the book-keeping alone: emptying a range is for who can move pages.
///
/// Context of all verbs: the kernel's lock, or one caller at a time.
///
/// Linux: `mm/cma.c`.
extension PageFrames {
  public var contiguousAreaCount: Int { state.value.areaCount }

  /// What is known of an area.
  ///
  /// - Precondition: `index` is below `contiguousAreaCount`.
  public func contiguousArea(_ index: Int) -> ContiguousArea {
    precondition(index < state.value.areaCount, "an area that there is not")
    return state.value.areas[index]
  }

  /// The area that a frame lies in, by its number.
  public func contiguousArea(of frame: PageFrameNumber) -> Int? {
    for index in 0..<state.value.areaCount where state.value.areas[index].range.contains(frame) {
      return index
    }
    return nil
  }

  /// The frames of all areas. Linux: `CmaTotal`, `totalcma_pages`.
  public var contiguousPageCount: PageCount {
    var total = PageCount.zero
    for index in 0..<state.value.areaCount { total += state.value.areas[index].range.count }
    return total
  }

  /// Those of a zone. Linux: `zone_cma_pages()`.
  public func contiguousPageCount(of kind: ZoneKind) -> PageCount {
    var total = PageCount.zero
    for index in 0..<state.value.areaCount {
      let range = state.value.areas[index].range
      if table[range.first].zone == kind { total += range.count }
    }
    return total
  }

  /// The frames in a zone's lists that lie in areas. Linux: `NR_FREE_CMA_PAGES`.
  public func freeContiguousPageCount(of kind: ZoneKind) -> PageCount {
    state.value.zones[kind.index].lists.withLock { (lists: inout BuddyLists) in
      lists.freeContiguousCount
    }
  }

  /// Those of all zones. Linux: `CmaFree`.
  public var freeContiguousPageCount: PageCount {
    var total = PageCount.zero
    for index in 0..<ZoneKind.count { total += freeContiguousPageCount(of: ZoneKind(index: index)) }
    return total
  }

  /// Marks frames of an area as taken, so that no other request is served from them.
  ///
  /// - Parameter start: they do not begin before this frame.
  /// - Returns: nil where no such room is left.
  public func reserve(
    _ count: PageCount, ofArea index: Int, alignment: Order, from start: PageFrameNumber
  ) -> FrameRange? {
    let area = contiguousArea(index)
    guard let room = area.firstRoom(for: count, alignment: alignment, from: start) else {
      return nil
    }
    area.bits.insert(area.bits(of: room))
    return room
  }

  /// Marks frames as not taken, which could not be had. Linux: `cma_clear_bitmap()`.
  public func unreserve(_ range: FrameRange, ofArea index: Int) {
    let area = contiguousArea(index)
    area.bits.remove(area.bits(of: range))
  }

  /// Says that reserved frames are somebody's now. Linux: `cma_sysfs_account_success_pages()`.
  public func noteAllocated(_ range: FrameRange, ofArea index: Int, process: UInt32) {
    state.value.areas[index].successCount += 1
    state.value.areas[index].successFrameCount += UInt64(range.count.value)
    let holders = state.value.areas[index].holders
    for place in 0..<holders.count where holders[place].range.count == .zero {
      holders[place] = ContiguousHolder(range: range, process: process)
      break
    }
    machine.record(
      MemoryEvent(
        .contiguousAllocated, process: process, frame: range.first.value, owner: UInt32(index),
        value: UInt64(range.count.value)))
  }

  /// Says that a request for so many frames was not served.
  ///
  /// Linux: `cma_sysfs_account_fail_pages()`.
  public func noteFailed(_ count: PageCount, ofArea index: Int) {
    state.value.areas[index].failureCount += 1
    state.value.areas[index].failureFrameCount += UInt64(count.value)
  }

  /// Says that a frame was in the way, and why.
  public func noteBlocked(
    _ frame: PageFrameNumber, reason: UInt8, ofArea index: Int, process: UInt32
  ) {
    let blockers = state.value.areas[index].blockers
    let place = Int(state.value.areas[index].blockedCount % UInt64(blockers.count))
    blockers[place] = ContiguousBlocker(
      frame: frame, reason: reason, descriptor: table[frame])
    state.value.areas[index].blockedCount += 1
    machine.record(
      MemoryEvent(
        .contiguousBlocked, detail: UInt16(reason), process: process, frame: frame.value,
        owner: UInt32(index)))
  }

  /// Gives frames of an area back. Linux: `cma_release()`.
  ///
  /// What nobody has of that area as a whole is reported as a `FrameFault`, and stays as it is.
  ///
  /// - Precondition: nothing maps them, nobody else holds one.
  public func free(_ frames: consuming ContiguousFrames, toArea index: Int) {
    let range = frames.range
    guard isTaken(range, ofArea: index) else {
      return report(FrameFault(kind: .notOwned, frame: frames.surrender().first))
    }
    let area = contiguousArea(index)
    machine.record(
      MemoryEvent(
        .contiguousFreed, frame: range.first.value, owner: UInt32(index),
        value: UInt64(range.count.value)))
    free(frames)
    unreserve(range, ofArea: index)
    state.value.areas[index].releasedFrameCount += UInt64(range.count.value)
    for place in 0..<area.holders.count where area.holders[place].range == range {
      area.holders[place] = .vacant
    }
  }

  /// Whether all of a range lies in an area, and is marked as taken there.
  private func isTaken(_ range: FrameRange, ofArea index: Int) -> Bool {
    guard index >= 0, index < contiguousAreaCount else { return false }
    let area = contiguousArea(index)
    guard area.range.contains(range.first), range.end <= area.range.end else { return false }
    for bit in area.bits(of: range) where !area.bits.contains(bit) { return false }
    return true
  }

  /// Visits who has frames of an area in a row.
  public func visitHolders(ofArea index: Int, _ body: (ContiguousHolder) -> Void) {
    let holders = contiguousArea(index).holders
    for place in 0..<holders.count where holders[place].range.count > .zero {
      body(holders[place])
    }
  }

  /// Visits what was in the way last, the oldest first.
  public func visitBlockers(ofArea index: Int, _ body: (ContiguousBlocker) -> Void) {
    let area = contiguousArea(index)
    let limit = UInt64(area.blockers.count)
    var number = area.blockedCount - min(area.blockedCount, limit)
    while number < area.blockedCount {
      body(area.blockers[Int(number % limit)])
      number += 1
    }
  }
}

extension PageFrames {
  /// Cuts what the areas need from boot memory; the areas themselves were reserved before.
  static func makeAreas(
    _ memory: inout BootMemory, _ machine: M
  ) throws(AllocationError) -> ResidentArray<ContiguousArea> {
    let count = memory.contiguousAreaCount
    let none = try makeArea(
      ContiguousAreaReservation(
        range: FrameRange(first: PageFrameNumber(0), count: .zero), granularity: .zero),
      &memory, machine)
    let size = ByteCount(UInt64(MemoryLayout<ContiguousArea>.stride * max(count, 1)))
    let areas = ResidentArray(
      repeating: none, count: max(count, 1), in: try memory.allocateBlock(size, on: machine))
    for index in 0..<count {
      areas[index] = try makeArea(memory.contiguousAreas[index], &memory, machine)
    }
    return areas
  }

  private static func makeArea(
    _ reservation: ContiguousAreaReservation, _ memory: inout BootMemory, _ machine: M
  ) throws(AllocationError) -> ContiguousArea {
    let isReal = reservation.range.count > .zero
    let wordCount = (reservation.range.count.value >> Int(reservation.granularity.value)) / 64 + 1
    return ContiguousArea(
      range: reservation.range, granularity: reservation.granularity,
      words: try makeTable(0, wordCount, &memory, machine),
      holders: try makeTable(.vacant, isReal ? ContiguousArea.holderLimit : 0, &memory, machine),
      blockers: try makeTable(
        ContiguousBlocker(
          frame: PageFrameNumber(0), reason: 0,
          descriptor: FrameDescriptor(.reserved, zone: .dma)),
        isReal ? ContiguousArea.blockerLimit : 0, &memory, machine))
  }

  private static func makeTable<Element: BitwiseCopyable>(
    _ element: Element, _ count: Int, _ memory: inout BootMemory, _ machine: M
  ) throws(AllocationError) -> ResidentArray<Element> {
    let size = ByteCount(UInt64(max(MemoryLayout<Element>.stride * count, 1)))
    return ResidentArray(
      repeating: element, count: count, in: try memory.allocateBlock(size, on: machine))
  }

  /// Lends the areas' frames to movable memory. Linux: `init_cma_reserved_pageblock()`.
  func lendAreas() {
    for index in 0..<state.value.areaCount {
      let range = state.value.areas[index].range
      var block = range.first
      while block < range.end {
        pageBlocks.set(.contiguous, of: block)
        block = block + PageBlocks.order.pageCount
      }
      release(from: range.first, to: range.end, into: table[range.first].zone)
    }
  }
}
