// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames
import PageTableFormats
import PageTables

/// How `remap` may place the new range.
public enum RemapPlacement: BitwiseCopyable {
  /// Only where it is.
  case inPlace
  /// Elsewhere if need be. Linux: `MREMAP_MAYMOVE`.
  case movable
  /// There. Linux: `MREMAP_FIXED`.
  case fixed(VirtualAddress)
}

extension AddressSpaces {
  /// Grows, shrinks or moves a mapping with its pages. Linux: `mremap()`.
  ///
  /// What a locked area grows by is made present.
  ///
  /// - Throws: `invalidArgument`, `badAddress` (a hole, or more than one area), `outOfMemory`
  ///   (no room, or not in place), `again` (more locked pages than allowed).
  /// - Context: may reclaim; sleeps only to populate.
  public func remap(
    _ space: Reference<AddressSpace>, from start: VirtualAddress, byteCount: ByteCount,
    to newByteCount: ByteCount, _ placement: RemapPlacement
  ) throws(MemoryError) -> VirtualAddress {
    guard start.isPageAligned, newByteCount > .zero, byteCount > .zero,
      newByteCount.value <= Format.userLimit.value
    else { throw .invalidArgument }
    guard start.value < Format.userLimit.value else { throw .badAddress }
    let old = try checkedRange(start, byteCount)
    let count = newByteCount.pagesRoundedUp
    if case .fixed(let target) = placement {
      return try moveFixed(space, old, count, target)
    }
    if count <= old.count {
      if count < old.count {
        try unmap(space, PageRange(start: old.start + count, end: old.end))
      }
      return start
    }
    guard let area = area(in: space, at: old.start), old.end <= heap[area].end else {
      throw .badAddress
    }
    let growth = count - old.count
    try checkGrowth(of: area, by: growth)
    let isLocked = heap[area].attributes.contains(.locked)
    let beyond = PageRange(start: old.end, count: growth)
    if heap[area].end == old.end, beyond.end <= userEnd, isFree(beyond, in: space) {
      grow(area, by: growth)
      if isLocked { populate(space, beyond) }
      return start
    }
    guard case .movable = placement else { throw .outOfMemory }
    let target = try findRoom(for: count, in: space)
    try move(old, count, to: target.start, in: space)
    if isLocked { populate(space, target, behind: old.count) }
    return target.start.address
  }

  /// Linux: `vma_to_resize()`.
  private func checkGrowth(
    of area: Reference<Area>, by growth: PageCount
  ) throws(MemoryError) {
    let space = heap[area].space
    guard !heap[area].attributes.contains(.locked) || mayLock(growth, in: space) else {
      throw .again
    }
    guard heap[space].pageCount + growth <= heap[space].pageLimit else { throw .outOfMemory }
  }

  /// Makes the pages present that a moved area was grown by.
  private func populate(
    _ space: Reference<AddressSpace>, _ range: PageRange, behind count: PageCount
  ) {
    populate(space, PageRange(start: range.start + count, end: range.end))
  }

  private func grow(_ area: Reference<Area>, by growth: PageCount) {
    let space = heap[area].space
    resize(area, start: heap[area].start, end: heap[area].end + growth)
    countPages(growth, in: space)
    if heap[area].attributes.contains(.locked) { heap[space].lockedPageCount += growth }
    if isCommitted(area) { memory.value.committedPageCount += growth }
    mergedWithNext(area)
  }

  private func moveFixed(
    _ space: Reference<AddressSpace>, _ old: PageRange, _ count: PageCount,
    _ target: VirtualAddress
  ) throws(MemoryError) -> VirtualAddress {
    let new = try checkedRange(target, count.bytes)
    guard new.end <= old.start || old.end <= new.start else { throw .invalidArgument }
    guard new.start >= Self.lowestPage else { throw .notPermitted }
    guard let area = area(in: space, at: old.start), old.end <= heap[area].end else {
      throw .badAddress
    }
    try unmap(space, new)
    var kept = old
    if count < old.count {
      kept.end = old.start + count
      try unmap(space, PageRange(start: kept.end, end: old.end))
    }
    // What was at the target is gone, and the area's upper part may be another one now.
    guard let source = self.area(in: space, at: old.start) else { throw .badAddress }
    if count > old.count { try checkGrowth(of: source, by: count - old.count) }
    let isLocked = heap[source].attributes.contains(.locked)
    try move(kept, count, to: new.start, in: space)
    if isLocked, count > old.count { populate(space, new, behind: old.count) }
    return target
  }

  /// Moves a part of one area, pages and all, to a free place. Linux: `move_vma()`.
  private func move(
    _ old: PageRange, _ count: PageCount, to start: PageNumber, in space: Reference<AddressSpace>
  ) throws(MemoryError) {
    guard let area = area(in: space, at: old.start) else { throw .badAddress }
    var value = heap[area]
    value.fileIndex = heap[area].index(of: old.start)
    value.start = start
    value.end = start + count
    value.clearLinks()
    let new = try makeArea(value, withRegionsOf: area)
    insert(new, into: space)
    countPages(count, in: space)
    if heap[new].attributes.contains(.locked) { heap[space].lockedPageCount += count }
    if isCommitted(new) { memory.value.committedPageCount += count }
    do {
      try moveEntries(old, to: start, in: space)
      try unmap(space, old)
    } catch {
      // What was moved already is lost with the new place: no entry may stay in both.
      unmapPages(of: space, from: start, to: start + count)
      discard(new)
      throw error
    }
    mergeAround(PageRange(start: start, count: count), in: space)
  }

  /// Linux: `move_page_tables()`.
  private func moveEntries(
    _ old: PageRange, to start: PageNumber, in space: Reference<AddressSpace>
  ) throws(MemoryError) {
    let root = heap[space].root
    var batch = UnmapBatch(tables)
    defer { batch.flush() }
    var from = tables.cursor(root, at: old.start.address)
    var to = tables.cursor(root, at: start.address)
    while from.findOccupied(before: old.end.address) {
      let page = from.address.page
      let target = start + (page - old.start)
      to.move(to: target.address)
      try prepare(&to)
      let count = from.moveEntries(to: &to, atMost: old.end - page)
      noteMove(of: count, from: page, to: target, in: space)
      from.takeEmptyTables(into: &batch)
      guard page + count < old.end else { break }
      from.move(to: (page + count).address)
    }
    machine.flush(.space)
  }

  /// Says in the log that all that a run of pages maps is elsewhere now.
  private func noteMove(
    of count: PageCount, from page: PageNumber, to target: PageNumber,
    in space: Reference<AddressSpace>
  ) {
    let pages = UInt32(count.value)
    record(.mappingsLeft, frame: pages, owner: space.raw, value: page.value)
    record(.mappingsEntered, frame: pages, owner: space.raw, value: target.value)
  }
}
