// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames
import PageTableFormats
import PageTables

extension AddressSpaces {
  /// A fault on a page of a file that is not mapped yet. Linux: `do_fault()`.
  ///
  /// - Context: may sleep; says so in its result, and then has changed nothing.
  func mapFilePage(
    _ fault: Fault, of file: Reference<CachedFile>
  ) throws(MemoryError) -> FaultStep {
    let index = heap[fault.area].index(of: fault.page)
    guard index < heap[file].indexLimit else { return .beyondFile }
    let frame: PageFrameNumber
    switch try lookUp(file, index: index) {
    case .present(let found): frame = found
    case .sleptForDisk: return .sleptForDisk
    case .slept: return .slept
    }
    if fault.access == .write, heap[fault.area].isPrivate {
      return try mapPrivateCopy(fault, of: frame)
    }
    return try mapShared(fault, file, frame, index)
  }

  /// A write to a private mapping: the program gets a copy of its own. Linux: `do_cow_fault()`.
  private func mapPrivateCopy(
    _ fault: Fault, of frame: PageFrameNumber
  ) throws(MemoryError) -> FaultStep {
    frames.retain(frame)
    defer { _ = frames.release(frame) }
    let region = try ensureRegion(of: fault.area)
    let copy = try allocateFrame(.anonymous, content: .uninitialized)
    copyBytes(from: frame, to: copy)
    var cursor = tables.cursor(heap[fault.space].root, at: fault.page.address)
    do {
      try prepare(&cursor)
    } catch {
      _ = frames.release(copy)
      throw error
    }
    enter(fault, anonymous: copy, region: region, &cursor)
    recordFileFault(fault, copy, pagesAround: 0)
    return .done
  }

  /// Maps the cache's own frame, and those around it that are there anyway.
  private func mapShared(
    _ fault: Fault, _ file: Reference<CachedFile>, _ frame: PageFrameNumber, _ index: UInt64
  ) throws(MemoryError) -> FaultStep {
    frames.retain(frame)
    defer { _ = frames.release(frame) }
    if fault.access == .write, needsNote(frame, of: file) {
      return try noteWrite(to: frame, of: file, index)
    }
    var cursor = tables.cursor(heap[fault.space].root, at: fault.page.address)
    try prepare(&cursor)
    var rights = userRights(heap[fault.area].protection)
    if fault.access != .write {
      rights = rights.subtracting(.write)
    } else if needsNote(frame, of: file) {
      // Reclaim, which made room for the table, has begun to write it.
      return .slept
    }
    map(frame, at: fault.page, of: fault, rights, &cursor)
    var around = 0
    if fault.access != .write { around = mapAround(fault, file, rights) }
    recordFileFault(fault, frame, pagesAround: around)
    return .done
  }

  /// Maps what the cache holds of the aligned window of 16 pages, inside the area and the leaf
  /// table. Linux: `do_fault_around()`.
  private func mapAround(
    _ fault: Fault, _ file: Reference<CachedFile>, _ rights: Protection
  ) -> Int {
    let window: UInt64 = 16
    let base = PageNumber(fault.page.value & ~(window - 1))
    let first = max(base, heap[fault.area].start)
    let end = min(base + PageCount(Int(window)), heap[fault.area].end)
    var cursor = tables.cursor(heap[fault.space].root, at: first.address)
    var page = first
    var mapped = 0
    while page < end {
      if page != fault.page, case .empty = cursor.entry,
        let frame = upToDatePage(of: file, index: heap[fault.area].index(of: page))
      {
        map(frame, at: page, of: fault, rights, &cursor)
        mapped += 1
      }
      page = page + PageCount(1)
      if page < end { cursor.move(to: page.address) }
    }
    return mapped
  }

  /// Enters a page-cache frame into a page table, for a page of the fault's area.
  ///
  /// - Precondition: the tables are there and the entry is empty.
  private func map(
    _ frame: PageFrameNumber, at page: PageNumber, of fault: Fault,
    _ rights: Protection, _ cursor: inout PageTableCursor<Environment.Hardware>
  ) {
    let space = fault.space
    frames.retain(frame)
    if frames.table[frame].mappings == 0 { memory.value.mappedFilePageCount += PageCount(1) }
    frames.mapped(frame, at: page, space: space.raw)
    frames.table[frame].flags.insert(.referenced)
    put(frame, rights, &cursor)
    countResident(frame, in: space)
    if heap[fault.area].attributes.contains(.locked) { lock(frame) }
    notePeak(of: space)
  }

  private func countResident(_ frame: PageFrameNumber, in space: Reference<AddressSpace>) {
    if isShared(frame) {
      heap[space].sharedCount += PageCount(1)
    } else {
      heap[space].fileCount += PageCount(1)
    }
  }

  private func recordFileFault(_ fault: Fault, _ frame: PageFrameNumber, pagesAround: Int) {
    record(
      fault.isMajor ? .faultFileMajor : .faultFileMinor, detail: UInt16(pagesAround),
      frame: frame.value, value: fault.address.value)
  }
}
