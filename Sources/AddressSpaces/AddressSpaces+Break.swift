// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import MemoryUnits
import PageTableFormats

extension AddressSpaces {
  /// Says where a new program's heap begins; it is empty. Linux: `mm->start_brk`.
  public func beginHeap(of space: Reference<AddressSpace>, at start: VirtualAddress) {
    heap[space].breakStart = start
    heap[space].breakEnd = start
  }

  /// Moves the end of the heap; returns where it is then, which is the old place on failure.
  ///
  /// - Context: may reclaim; does not sleep. Linux: `brk()`.
  public func setBreak(
    _ space: Reference<AddressSpace>, to end: VirtualAddress
  ) -> VirtualAddress {
    let old = heap[space].breakEnd
    guard end >= heap[space].breakStart, end < Format.userLimit else { return old }
    let oldPage = PageNumber(ByteCount(old.value).pagesRoundedUp)
    let newPage = PageNumber(ByteCount(end.value).pagesRoundedUp)
    if newPage < oldPage {
      let range = PageRange(start: newPage, end: oldPage)
      do {
        try unmap(space, range)
      } catch {
        return old
      }
    } else if oldPage < newPage {
      guard growHeap(of: space, PageRange(start: oldPage, end: newPage)) else { return old }
    }
    heap[space].breakEnd = end
    return end
  }

  private func growHeap(of space: Reference<AddressSpace>, _ range: PageRange) -> Bool {
    // One page stays free below whatever comes next.
    let withGuard = PageRange(start: range.start, end: range.end + PageCount(1))
    guard isFree(withGuard, in: space),
      heap[space].pageCount + range.count <= heap[space].pageLimit,
      heap[space].areaCount < areaLimit
    else { return false }
    let request = MapRequest(
      .fixed(range.start.address), byteCount: range.count.bytes,
      protection: .read.union(.write))
    do {
      if heap[space].futureLocks.isEmpty {
        try enter(range, request, in: space)
      } else {
        _ = try mapLocked(range, request, in: space)
      }
      return true
    } catch {
      return false
    }
  }
}

extension PageNumber {
  /// The page so many pages above address 0.
  init(_ count: PageCount) { self.init(UInt64(count.value)) }
}
