// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames
import PageTableFormats
import PageTables

extension AddressSpaces {
  /// Makes every page of a range present, as far as rights and memory allow.
  ///
  /// - Context: may sleep. Linux: `populate_vma_page_range()`.
  func populate(_ space: Reference<AddressSpace>, _ range: PageRange, rights: Protection) {
    let access: FaultAccess = rights.contains(.write) ? .write : .read
    var page = range.start
    while page < range.end {
      if access == .write {
        page = mapFreshRun(in: space, from: page, to: range.end)
        if page == range.end { return }
      }
      guard case .resolved = handleFault(in: space, at: page.address, access: access) else {
        return
      }
      page = page + PageCount(1)
    }
  }

  /// Maps new private frames where nothing is, one page after the other, with one cursor, as
  /// faults would: the log and the counts say the same.
  ///
  /// - Returns: the first page that needs more than a frame at hand: the end of the area, an entry
  ///   in use, an area whose first page it would be, memory to be freed first.
  /// - Context: neither reclaims nor sleeps.
  private func mapFreshRun(
    in space: Reference<AddressSpace>, from start: PageNumber, to limit: PageNumber
  ) -> PageNumber {
    guard let area = area(in: space, at: start), heap[area].file.reference == nil,
      heap[area].isPrivate, heap[area].protection.contains(.write), !heap[space].isReaped,
      let region = heap[area].region.reference
    else { return start }
    let end = min(limit, heap[area].end)
    let (frames, request) = (frames, frameRequest(.anonymous, content: .zeroed))
    var cursor = tables.cursor(heap[space].root, at: start.address)
    var page = start
    while page < end {
      do {
        if cursor.level > 0, !cursor.isOccupied { try cursor.makeTables() }
        guard cursor.level == 0, !cursor.isOccupied else { return page }
        let frame = try frames.allocate(request).surrender()
        let fault = Fault(
          space: space, area: area, address: page.address, access: .write, isMajor: false)
        enter(fault, anonymous: frame, region: region, &cursor)
        record(.faultDemandZero, frame: frame.value, value: page.address.value)
      } catch {
        return page
      }
      memory.value.faultCount += 1
      heap[space].minorFaultCount += 1
      page = page + PageCount(1)
      if page < end { cursor.moveToNextPage() }
    }
    return page
  }
}
