// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import Machine
import MemoryUnits
import PageTableFormats
import PageTables

extension AddressSpaces {
  /// Changes what a program may do with a range. Linux: `mprotect()`.
  ///
  /// Areas before a hole are changed even so, as on Linux. Private pages of a locked area that may
  /// be written from now on are the program's own at once, so that no write of it has to wait.
  ///
  /// - Throws: `invalidArgument` (unaligned), `outOfMemory` (a hole, or too many areas),
  ///   `accessDenied` (more than the file was opened for).
  /// - Context: may reclaim; sleeps only to populate.
  public func protect(
    _ space: Reference<AddressSpace>, from start: VirtualAddress, byteCount: ByteCount,
    _ protection: Protection
  ) throws(MemoryError) {
    guard start.isPageAligned else { throw .invalidArgument }
    guard byteCount > .zero else { return }
    guard byteCount.value <= Format.userLimit.value,
      start.value <= Format.userLimit.value - byteCount.value
    else { throw .outOfMemory }
    let range = PageRange(start: start.page, count: byteCount.pagesRoundedUp)
    var page = range.start
    defer { mergeAround(PageRange(start: range.start, end: page), in: space) }
    while page < range.end {
      guard let found = area(in: space, at: page) else { throw .outOfMemory }
      guard heap[found].maximumProtection.isSuperset(of: protection) else { throw .accessDenied }
      var area = found
      if heap[area].protection != protection {
        if heap[area].start < page { area = try split(area, at: page) }
        if range.end < heap[area].end { _ = try split(area, at: range.end) }
        let becomesOwn =
          heap[area].attributes.contains(.locked) && heap[area].isPrivate
          && protection.contains(.write) && !heap[area].protection.contains(.write)
        change(area, to: protection)
        if becomesOwn {
          let part = PageRange(start: heap[area].start, end: heap[area].end)
          populate(space, part)
          page = part.end
          continue
        }
      }
      page = heap[area].end
    }
    page = range.end
  }

  private func change(_ area: Reference<Area>, to protection: Protection) {
    let pages = heap[area].pageCount
    if isCommitted(area) { memory.value.committedPageCount -= pages }
    heap[area].protection = protection
    if isCommitted(area) { memory.value.committedPageCount += pages }
    // A page becomes writable by a fault, where it is seen whether it is shared or clean.
    let granted = userRights(protection).subtracting(.write)
    var cursor = tables.cursor(heap[heap[area].space].root, at: heap[area].start.address)
    let end = heap[area].end.address
    var found = cursor.findOccupied(before: end)
    while found {
      cursor.protectEntries(
        before: end, granted, keepingWrite: protection.contains(.write))
      found = cursor.moveToNextOccupied(before: end)
    }
    tables.flush(from: heap[area].start.address, pages)
  }
}
