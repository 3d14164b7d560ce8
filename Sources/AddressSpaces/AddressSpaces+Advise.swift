// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import MemoryUnits
import PageFrames
import PageTableFormats
import PageTables

/// What `madvise` says about a range.
public enum MemoryAdvice: Sendable, BitwiseCopyable {
  /// Contents are not needed any more. Linux: `MADV_DONTNEED`; of a locked area,
  /// `MADV_DONTNEED_LOCKED`.
  case discard, discardLocked
  /// Nor soon: at once is one of the times. Linux: `MADV_FREE`.
  case discardLater
  /// Nor in the file that others share. Linux: `MADV_REMOVE`.
  case punchHole
  /// Pages that may go first. Linux: `MADV_COLD`, `MADV_PAGEOUT`.
  case deactivate
  /// Read or make the pages now. Linux: `MADV_POPULATE_READ`, `MADV_POPULATE_WRITE`.
  case populateForReading, populateForWriting
  /// Not inherited by fork, or so again. Linux: `MADV_DONTFORK`, `MADV_DOFORK`.
  case keepFromFork, giveToFork
  /// Empty in the child. Linux: `MADV_WIPEONFORK`, `MADV_KEEPONFORK`.
  case wipeOnFork, keepOnFork
  /// Speaks of the future only. Linux: `MADV_NORMAL`, `MADV_RANDOM`, `MADV_SEQUENTIAL`, ….
  case none
}

extension AddressSpaces {
  /// Takes advice on a range; holes are passed over and reported at the end, as on Linux.
  ///
  /// - Throws: `invalidArgument` (unaligned), `outOfMemory` (a hole), `badAddress` (populate).
  /// - Context: may sleep for populate. Linux: `madvise()`.
  public func advise(
    _ space: Reference<AddressSpace>, from start: VirtualAddress, byteCount: ByteCount,
    _ advice: MemoryAdvice
  ) throws(MemoryError) {
    guard start.isPageAligned else { throw .invalidArgument }
    guard byteCount > .zero else { return }
    // Beyond the programs' half is a hole like any other.
    guard start.value < Format.userLimit.value else { throw .outOfMemory }
    let range = try checkedRange(start, byteCount)
    var page = range.start
    var hasHole = false
    while page < range.end {
      guard let area = firstArea(in: space, endingAfter: page), heap[area].start < range.end
      else { throw .outOfMemory }
      if page < heap[area].start {
        hasHole = true
        page = heap[area].start
      }
      let part = PageRange(start: page, end: min(range.end, heap[area].end))
      try apply(advice, to: part, of: area, in: space)
      page = part.end
    }
    if hasHole { throw .outOfMemory }
  }

  private func apply(
    _ advice: MemoryAdvice, to part: PageRange, of area: Reference<Area>,
    in space: Reference<AddressSpace>
  ) throws(MemoryError) {
    switch advice {
    case .none: return
    case .discard, .deactivate, .discardLater:
      guard !heap[area].attributes.contains(.locked), mayBeLocked(area) else {
        throw .invalidArgument
      }
      if case .deactivate = advice { return }
      if case .discardLater = advice, heap[area].file.reference != nil { throw .invalidArgument }
      unmapPages(of: space, from: part.start, to: part.end)
    case .discardLocked:
      guard mayBeLocked(area) else { throw .invalidArgument }
      unmapPages(of: space, from: part.start, to: part.end)
    case .punchHole: try punchHole(part, of: area)
    case .populateForReading: try touch(part, in: space, .read)
    case .populateForWriting: try touch(part, in: space, .write)
    case .keepFromFork: try mark(part, of: area) { $0.insert(.notInherited) }
    case .giveToFork: try mark(part, of: area) { $0.remove(.notInherited) }
    case .wipeOnFork:
      guard heap[area].file.reference == nil else { throw .invalidArgument }
      try mark(part, of: area) { $0.insert(.emptyAfterFork) }
    case .keepOnFork: try mark(part, of: area) { $0.remove(.emptyAfterFork) }
    }
  }

  /// Takes the pages of a part of a shared area from its file. Linux: `madvise_remove()`.
  private func punchHole(_ part: PageRange, of area: Reference<Area>) throws(MemoryError) {
    let value = heap[area]
    guard !value.attributes.contains(.locked), let file = value.file.reference else {
      throw .invalidArgument
    }
    guard !value.isPrivate, value.maximumProtection.contains(.write) else {
      throw .accessDenied
    }
    // A file system of a disk has no holes to punch.
    guard heap[file].backing == .memory else { throw .notSupported }
    removePages(of: file, from: value.index(of: part.start), to: value.index(of: part.end))
  }

  private func mark(
    _ part: PageRange, of area: Reference<Area>, _ change: (inout AreaAttributes) -> Void
  ) throws(MemoryError) {
    var area = area
    if heap[area].start < part.start { area = try split(area, at: part.start) }
    if part.end < heap[area].end { _ = try split(area, at: part.end) }
    change(&heap[area].attributes)
  }

  private func touch(
    _ part: PageRange, in space: Reference<AddressSpace>, _ access: FaultAccess
  ) throws(MemoryError) {
    var page = part.start
    while page < part.end {
      _ = try residentFrame(of: space, page.address, access)
      page = page + PageCount(1)
    }
  }

  /// Whether each page of a range is in memory. Linux: `mincore()`.
  ///
  /// - Throws: `invalidArgument` (unaligned), `outOfMemory` (a hole).
  /// - Parameter body: is told the index of the page in the range, and whether it is in memory.
  public func visitResidency(
    _ space: Reference<AddressSpace>, from start: VirtualAddress, byteCount: ByteCount,
    _ body: (Int, Bool) throws(MemoryError) -> Void
  ) throws(MemoryError) {
    guard start.isPageAligned else { throw .invalidArgument }
    guard byteCount > .zero else { return }
    guard byteCount.value <= Format.userLimit.value,
      start.value <= Format.userLimit.value - byteCount.value
    else { throw .outOfMemory }
    let range = PageRange(start: start.page, count: byteCount.pagesRoundedUp)
    var page = range.start
    while page < range.end {
      guard let area = area(in: space, at: page) else { throw .outOfMemory }
      var isPresent = tables.translate(heap[space].root, page.address) != nil
      if !isPresent, let file = heap[area].file.reference {
        isPresent = upToDatePage(of: file, index: heap[area].index(of: page)) != nil
      }
      try body((page - range.start).value, isPresent)
      page = page + PageCount(1)
    }
  }
}
