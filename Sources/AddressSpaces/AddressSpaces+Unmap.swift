// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames
import PageTableFormats
import PageTables

extension AddressSpaces {
  /// Removes whatever is mapped in a range. Linux: `munmap()`, `do_vmi_munmap()`.
  ///
  /// - Throws: `invalidArgument` for an unaligned start, no bytes, or a range beyond user space;
  ///   `outOfMemory` if an area would have to be split and there is no memory for it.
  /// - Context: may reclaim; does not sleep.
  public func unmap(
    _ space: Reference<AddressSpace>, from start: VirtualAddress, byteCount: ByteCount
  ) throws(MemoryError) {
    let range = try checkedRange(start, byteCount)
    try unmap(space, range)
  }

  func unmap(_ space: Reference<AddressSpace>, _ range: PageRange) throws(MemoryError) {
    guard let first = firstArea(in: space, endingAfter: range.start),
      heap[first].start < range.end
    else { return }
    try splitEdges(of: range, in: space)
    unmapPages(of: space, from: range.start, to: range.end)
    while let area = firstArea(in: space, endingAfter: range.start),
      heap[area].start < range.end
    {
      discard(area)
    }
  }

  /// Makes area borders at both ends of a range, where areas reach over them.
  func splitEdges(of range: PageRange, in space: Reference<AddressSpace>) throws(MemoryError) {
    if let area = area(in: space, at: range.start), heap[area].start < range.start {
      _ = try split(area, at: range.start)
    }
    if let area = area(in: space, at: range.end), heap[area].start < range.end {
      _ = try split(area, at: range.end)
    }
  }

  /// Cuts an area in two; returns the upper part. Linux: `__split_vma()`.
  func split(
    _ area: Reference<Area>, at page: PageNumber
  ) throws(MemoryError) -> Reference<Area> {
    let space = heap[area].space
    guard heap[space].areaCount < areaLimit else { throw .outOfMemory }
    var upper = heap[area]
    upper.fileIndex = heap[area].index(of: page)
    upper.start = page
    upper.clearLinks()
    let new = try makeArea(upper, withRegionsOf: area)
    setEnd(of: area, to: page)
    insert(new, behind: area)
    return new
  }

  /// Makes an area for pages of another one: found by the same reverse maps, in no space yet.
  func makeArea(
    _ value: Area, withRegionsOf area: Reference<Area>
  ) throws(MemoryError) -> Reference<Area> {
    let new = try allocate(value)
    do {
      try copyRegions(of: area, to: new)
    } catch {
      heap.free(new)
      throw error
    }
    if let region = heap[area].region.reference {
      heap[new].region = Link(region)
      heap[region].activeAreaCount += 1
    }
    if let file = value.file.reference {
      heap[file].users += 1
      insertMapping(new, of: file)
    }
    return new
  }

  /// Removes an area none of whose pages is mapped.
  func discard(_ area: Reference<Area>) {
    remove(area, from: heap[area].space)
    dispose(of: area)
  }

  /// Frees an area that is in no tree of its space any more.
  func dispose(of area: Reference<Area>) {
    let pages = heap[area].pageCount
    let space = heap[area].space
    heap[space].pageCount -= pages
    if heap[area].attributes.contains(.locked) { heap[space].lockedPageCount -= pages }
    if isCommitted(area) { memory.value.committedPageCount -= pages }
    if let file = heap[area].file.reference {
      removeMapping(area, of: file)
      release(file)
    }
    unlinkRegions(of: area)
    heap.free(area)
  }

  /// Clears all entries of a range and lets their frames go, after one flush.
  ///
  /// - Complexity: O(mapped pages + tables). Linux: `unmap_page_range()`, `tlb_finish_mmu()`.
  @inline(__always)  // A page of fork-64m is 3 more with the look in the loop's function.
  func unmapPages(
    of space: Reference<AddressSpace>, from start: PageNumber, to end: PageNumber
  ) {
    if heap[space].lockedPageCount > .zero { unlockFrames(of: space, from: start, to: end) }
    takePages(of: space, from: start, to: end)
  }

  @inline(never)
  private func takePages(
    of space: Reference<AddressSpace>, from start: PageNumber, to end: PageNumber
  ) {
    var batch = UnmapBatch(tables)
    var gone = ResidentChange()
    var cursor = tables.cursor(heap[space].root, at: start.address)
    var found = cursor.findOccupied(before: end.address)
    while found {
      // The batch keeps a frame at least until its next addition.
      cursor.takeEntries(before: end.address, into: &batch) { entry, page in
        guard case .leaf(let leaf) = entry, !leaf.protection.contains(.uncounted) else { return }
        forget(leaf.frame, page: page, space: space, &gone)
      }
      found = cursor.moveToNextOccupied(before: end.address)
    }
    batch.finish()
    take(gone, from: space)
  }

  /// Counts one mapping of a frame less, and drops the reference that it held.
  ///
  /// - Precondition: no CPU can still use the translation.
  func leave(_ frame: PageFrameNumber, page: PageNumber, space: Reference<AddressSpace>) {
    forget(frame, page: page, space: space)
    _ = frames.release(frame)
  }

  /// Counts one mapping of a frame less; the caller still holds its reference.
  func forget(_ frame: PageFrameNumber, page: PageNumber, space: Reference<AddressSpace>) {
    var gone = ResidentChange()
    forget(frame, page: page, space: space, &gone)
    take(gone, from: space)
  }

  /// The same in a loop, which keeps the counts.
  @inline(__always)
  private func forget(
    _ frame: PageFrameNumber, page: PageNumber, space: Reference<AddressSpace>,
    _ gone: inout ResidentChange
  ) {
    let rest = frames.unmapped(frame, at: page, space: space.raw)
    if rest.kind == .anonymous {
      gone.anonymous &+= 1
      if !rest.isMapped { gone.anonymousEverywhere &+= 1 }
    } else {
      if !rest.isMapped { gone.mappedFile &+= 1 }
      if isShared(frame) { gone.shared &+= 1 } else { gone.file &+= 1 }
    }
  }

  /// Whether a file's page counts as shared memory. Linux: `mm_counter_file()`.
  func isShared(_ frame: PageFrameNumber) -> Bool {
    let file = Link<CachedFile>(raw: frames.table[frame].owner).reference
    guard let file else { return false }
    return heap[file].backing == .memory
  }

  private func take(_ gone: ResidentChange, from space: Reference<AddressSpace>) {
    heap[space].anonymousCount -= PageCount(gone.anonymous)
    heap[space].fileCount -= PageCount(gone.file)
    heap[space].sharedCount -= PageCount(gone.shared)
    memory.value.anonymousPageCount -= PageCount(gone.anonymousEverywhere)
    memory.value.mappedFilePageCount -= PageCount(gone.mappedFile)
  }

  /// A range of user pages as a program passes it.
  func checkedRange(
    _ start: VirtualAddress, _ byteCount: ByteCount
  ) throws(MemoryError) -> PageRange {
    guard start.isPageAligned, byteCount > .zero, byteCount.value <= Format.userLimit.value,
      start.value <= Format.userLimit.value - byteCount.value
    else { throw .invalidArgument }
    return PageRange(start: start.page, count: byteCount.pagesRoundedUp)
  }
}

/// Pages from one up to, not including, another.
struct PageRange: BitwiseCopyable, Equatable {
  var start: PageNumber
  var end: PageNumber

  init(start: PageNumber, end: PageNumber) {
    self.start = start
    self.end = end
  }

  init(start: PageNumber, count: PageCount) {
    self.init(start: start, end: start + count)
  }

  var count: PageCount { end - start }
}

/// The pages that a space and all spaces have in their tables no more, kept for a loop over them.
///
/// They cannot overflow: there are fewer than 2^52 pages.
private struct ResidentChange: BitwiseCopyable {
  var anonymous = 0
  var file = 0
  var shared = 0
  /// … of those in no table at all.
  var anonymousEverywhere = 0
  var mappedFile = 0
}
