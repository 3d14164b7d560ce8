// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames
import PageTableFormats

extension AddressSpaces {
  /// The most areas that a space may have.
  var areaLimit: UInt32 { memory.value.policy.areaLimit }

  /// The lowest address that a program may map. Linux: `vm.mmap_min_addr`.
  static var lowestPage: PageNumber { PageNumber(16) }

  /// Maps anonymous memory or a file. Linux: `mmap()`, `do_mmap()`.
  ///
  /// - Throws: `invalidArgument` (no bytes, unaligned fixed address), `outOfMemory` (no room, too
  ///   many areas), `exists`, `notPermitted` (below the lowest address; to be locked, without the
  ///   right to), `again` (more locked pages than allowed), `overflow`.
  /// - Context: may reclaim; sleeps only to populate.
  public func map(
    _ space: Reference<AddressSpace>, _ request: MapRequest
  ) throws(MemoryError) -> VirtualAddress {
    guard request.byteCount > .zero else { throw .invalidArgument }
    guard request.byteCount.value <= Format.userLimit.value else { throw .outOfMemory }
    let count = request.byteCount.pagesRoundedUp
    if case .file(_, let index) = request.source,
      index.addingReportingOverflow(UInt64(count.value)).overflow || index >> 52 != 0
    {
      throw .overflow
    }
    let pages = heap[space].pageCount + count
    guard pages <= heap[space].pageLimit else { throw .outOfMemory }
    let range = try place(request.placement, count, in: space)
    guard heap[space].areaCount < areaLimit else { throw .outOfMemory }
    if !request.attributes.union(heap[space].futureLocks).isDisjoint(with: .locks) {
      return try mapLocked(range, request, in: space)
    }
    if case .fixed = request.placement { try unmap(space, range) }
    try enter(range, request, in: space)
    if request.populates { populate(space, range) }
    return range.start.address
  }

  @inline(never)  // Out of the way of what is not locked.
  func mapLocked(
    _ range: PageRange, _ request: MapRequest, in space: Reference<AddressSpace>
  ) throws(MemoryError) -> VirtualAddress {
    let request = try locked(request, range.count, in: space)
    if case .fixed = request.placement { try unmap(space, range) }
    try enter(range, request, in: space)
    populate(space, range)
    return range.start.address
  }

  /// Maps a range that is free, as `map` does when it has found one; no page comes.
  func enter(
    _ range: PageRange, _ request: MapRequest, in space: Reference<AddressSpace>
  ) throws(MemoryError) {
    try promise(request, range.count)
    _ = try insertArea(range, request, in: space)
  }

  /// Maps new memory that forks share. Linux: `shmem_zero_setup()`.
  ///
  /// - Throws: as `map`.
  /// - Context: as `map`.
  public func mapShared(
    _ space: Reference<AddressSpace>, _ request: MapRequest
  ) throws(MemoryError) -> VirtualAddress {
    let file = try makeFile(
      byteCount: request.byteCount.pagesRoundedUp.bytes.value, owner: 0, backing: .memory)
    // The areas hold it from here on.
    defer { release(file) }
    var request = request
    request.attributes.formUnion(.shared)
    request.source = .file(file, pageIndex: 0)
    return try map(space, request)
  }

  /// Refuses a request that cannot be promised.
  private func promise(_ request: MapRequest, _ count: PageCount) throws(MemoryError) {
    guard commits(request.protection, request.attributes, request.source) else { return }
    try checkPromise(of: count)
  }

  func commits(
    _ protection: Protection, _ attributes: AreaAttributes, _ source: MapRequest.Source
  ) -> Bool {
    guard !attributes.contains(.noReserve) else { return false }
    if case .anonymous = source {} else if attributes.contains(.shared) { return false }
    return protection.contains(.write)
  }

  /// Whether an area's pages count as promised. Linux: `VM_ACCOUNT`.
  func isCommitted(_ area: Reference<Area>) -> Bool {
    let value = heap[area]
    return value.maximumProtection.contains(.write) && value.isPrivate
      && value.protection.contains(.write) && !value.attributes.contains(.noReserve)
  }

  private func place(
    _ placement: MapRequest.Placement, _ count: PageCount, in space: Reference<AddressSpace>
  ) throws(MemoryError) -> PageRange {
    switch placement {
    case .fixed(let address), .fixedNoReplace(let address):
      guard address.isPageAligned else { throw .invalidArgument }
      guard address.value <= Format.userLimit.value - count.bytes.value else {
        throw .outOfMemory
      }
      let range = PageRange(start: address.page, count: count)
      guard range.start >= Self.lowestPage else { throw .notPermitted }
      if case .fixedNoReplace = placement, !isFree(range, in: space) { throw .exists }
      return range
    case .hint(let address):
      let start = address.roundedDownToPage
      if start.page >= Self.lowestPage, count.bytes.value <= Format.userLimit.value,
        start.value <= Format.userLimit.value - count.bytes.value
      {
        let range = PageRange(start: start.page, count: count)
        if isFree(range, in: space) { return range }
      }
      return try findRoom(for: count, in: space)
    case .anywhere:
      return try findRoom(for: count, in: space)
    }
  }

  func isFree(_ range: PageRange, in space: Reference<AddressSpace>) -> Bool {
    guard let next = firstArea(in: space, endingAfter: range.start) else { return true }
    let guardPages = heap[next].attributes.contains(.growsDown) ? Self.stackGuard : .zero
    return heap[next].start.value >= range.end.value + UInt64(guardPages.value)
  }

  /// Enters a new area, or grows a neighbour that is alike. Linux: `mmap_region()`.
  func insertArea(
    _ range: PageRange, _ request: MapRequest, in space: Reference<AddressSpace>
  ) throws(MemoryError) -> Reference<Area> {
    var file: Reference<CachedFile>?
    var index = range.start.value
    if case .file(let source, let first) = request.source {
      file = source
      index = first
    }
    let candidate = Area(
      space: space, start: range.start, end: range.end, protection: request.protection,
      maximumProtection: request.maximumProtection, attributes: request.attributes,
      file: Link(file), fileIndex: index)
    let area: Reference<Area>
    if let neighbour = grownNeighbour(candidate, in: space) {
      area = neighbour
    } else {
      area = try newArea(candidate, in: space)
    }
    countPages(range.count, in: space)
    if request.attributes.contains(.locked) { heap[space].lockedPageCount += range.count }
    if commits(request.protection, request.attributes, request.source) {
      memory.value.committedPageCount += range.count
    }
    return area
  }

  /// Counts pages that areas of a space have more. Linux: `vm_stat_account()`, `hiwater_vm`.
  func countPages(_ count: PageCount, in space: Reference<AddressSpace>) {
    heap[space].pageCount += count
    if heap[space].peakPageCount < heap[space].pageCount {
      heap[space].peakPageCount = heap[space].pageCount
    }
  }

  private func newArea(
    _ candidate: Area, in space: Reference<AddressSpace>
  ) throws(MemoryError) -> Reference<Area> {
    let area = try allocate(candidate)
    if let file = candidate.file.reference {
      heap[file].users += 1
      insertMapping(area, of: file)
    }
    insert(area, into: space)
    return area
  }

  /// The area directly below or above that the candidate can simply be added to.
  private func grownNeighbour(
    _ candidate: Area, in space: Reference<AddressSpace>
  ) -> Reference<Area>? {
    guard !candidate.attributes.contains(.growsDown) else { return nil }
    if candidate.start.value > 0,
      let below = area(in: space, at: PageNumber(candidate.start.value - 1)),
      isAlike(heap[below], candidate),
      heap[below].index(of: candidate.start) == candidate.fileIndex
    {
      resize(below, start: heap[below].start, end: candidate.end)
      return mergedWithNext(below)
    }
    if let above = area(in: space, at: candidate.end), isAlike(heap[above], candidate),
      heap[above].fileIndex >= UInt64((candidate.end - candidate.start).value),
      heap[above].fileIndex - UInt64((candidate.end - candidate.start).value)
        == candidate.fileIndex
    {
      resize(above, start: candidate.start, end: heap[above].end)
      return above
    }
    return nil
  }

  /// Changes the borders of an area; its pages keep their indices.
  func resize(_ area: Reference<Area>, start: PageNumber, end: PageNumber) {
    guard start != heap[area].start else {
      setEnd(of: area, to: end)
      if let next = self.area(after: area) { updateGap(before: next) }
      return
    }
    unindex(area)
    if start < heap[area].start {
      heap[area].fileIndex -= UInt64((heap[area].start - start).value)
    } else {
      heap[area].fileIndex += UInt64((start - heap[area].start).value)
    }
    heap[area].start = start
    heap[area].end = end
    reindex(area)
    updateGaps(around: area)
  }
}
