// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames
import PageTableFormats
import PageTables

extension AddressSpaces {
  /// What becomes of a populated range behind a page that cannot come.
  enum PopulatePolicy {
    case endsAtError
    /// The next area is looked at.
    case passesErrors
  }

  /// Makes every page of a range present, as far as rights and memory allow.
  ///
  /// - Context: may sleep. Linux: `mm_populate()`.
  func populate(_ space: Reference<AddressSpace>, _ range: PageRange) {
    do {
      try populate(space, range, .passesErrors)
    } catch {
      preconditionFailure("an error that is passed over")
    }
  }

  /// Makes every page of a range present. Private pages that may be written become the program's
  /// own; those that only become present when they are touched, and a device's, are left out.
  ///
  /// - Throws: `badAddress` where an access would be refused, `outOfMemory`.
  /// - Context: may sleep. Linux: `__mm_populate()`.
  func populate(
    _ space: Reference<AddressSpace>, _ range: PageRange, _ policy: PopulatePolicy
  ) throws(MemoryError) {
    var page = range.start
    while page < range.end {
      guard let area = area(in: space, at: page) ?? firstArea(in: space, endingAfter: page),
        heap[area].start < range.end
      else { return }
      page = max(page, heap[area].start)
      let end = min(range.end, heap[area].end)
      do throws(MemoryError) {
        page = try populate(area, from: page, to: end)
      } catch {
        guard case .passesErrors = policy else { throw error }
        page = end
      }
    }
  }

  /// Makes pages of one area present; returns the first that may have to be looked at again.
  ///
  /// Linux: `populate_vma_page_range()`.
  private func populate(
    _ area: Reference<Area>, from start: PageNumber, to end: PageNumber
  ) throws(MemoryError) -> PageNumber {
    let space = heap[area].space
    guard !heap[area].attributes.contains(.lockedOnFault), mayBeLocked(area) else { return end }
    let isOwn = heap[area].isPrivate && heap[area].protection.contains(.write)
    let access: FaultAccess = isOwn ? .write : .read
    guard allows(heap[area].protection, access) else { throw .badAddress }
    let rights: Protection = isOwn ? .user.union(.write) : .user.union(.read)
    var cursor = tables.cursor(heap[space].root, at: start.address)
    var page = cursor.passLeaves(before: end.address, granting: rights)
    if isOwn, page < end { page = mapFreshRun(in: space, from: page, to: end) }
    guard page < end else { return end }
    switch handleFault(in: space, at: page.address, access: access) {
    case .resolved: return page + PageCount(1)
    case .signal: throw .badAddress
    case .outOfMemory: throw .outOfMemory
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
