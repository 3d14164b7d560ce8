// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames
import PageTableFormats

/// When the pages of a locked area come.
public enum LockManner: Sendable, BitwiseCopyable {
  /// Now.
  case present
  /// When they are touched. Linux: `MLOCK_ONFAULT`.
  case onFault

  var attributes: AreaAttributes {
    switch self {
    case .present: .locked
    case .onFault: .locks
    }
  }
}

/// What `lockAll` is asked for. Linux: `MCL_*`.
public struct LockChoice: FlagSet, Sendable, BitwiseCopyable {
  public let rawValue: UInt32
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// The areas that there are. Linux: `MCL_CURRENT`.
  public static var current: Self { Self(rawValue: 1) }
  /// Those to come. Linux: `MCL_FUTURE`.
  public static var future: Self { Self(rawValue: 2) }
  /// Either only when their pages are touched. Linux: `MCL_ONFAULT`.
  public static var onFault: Self { Self(rawValue: 4) }
  static var known: Self { current.union(future).union(onFault) }

  var attributes: AreaAttributes { contains(.onFault) ? .locks : .locked }
}

/// Keeping pages of a program in memory.
///
/// Linux: `mm/mlock.c`.
extension AddressSpaces {
  /// Locks a range of pages, and makes them present now or when they are touched.
  ///
  /// Areas before a hole are locked even so, but their pages do not come, as on Linux.
  ///
  /// - Throws: `notPermitted` (without the right to lock any), `outOfMemory` (a hole, more than
  ///   allowed, a page that cannot be read, too many areas), `again` (no frame for a page),
  ///   `invalidArgument` (a range beyond the last address).
  /// - Context: may sleep. Linux: `mlock()`, `mlock2()`.
  public func lock(
    _ space: Reference<AddressSpace>, from start: VirtualAddress, byteCount: ByteCount,
    _ manner: LockManner
  ) throws(MemoryError) {
    guard environment.lockLimit > .zero else { throw .notPermitted }
    let (first, count) = pages(from: start, byteCount)
    if !mayLock(count, in: space) {
      let end = min(first.value + UInt64(count.value), userEnd.value)
      let known = lockedCount(from: first, to: PageNumber(max(end, first.value)), in: space)
      guard mayLock(count - known, in: space) else { throw .outOfMemory }
    }
    let range = try checked(first, count)
    try setLocks(manner.attributes, on: range, of: space)
    do {
      try populate(space, range, .endsAtError)
    } catch .outOfMemory {
      throw .again
    } catch {
      throw .outOfMemory
    }
  }

  /// Gives a range of pages back to reclaim.
  ///
  /// - Throws: `outOfMemory` (a hole; areas before it are unlocked), `invalidArgument`.
  /// - Context: may reclaim; does not sleep. Linux: `munlock()`.
  public func unlock(
    _ space: Reference<AddressSpace>, from start: VirtualAddress, byteCount: ByteCount
  ) throws(MemoryError) {
    let (first, count) = pages(from: start, byteCount)
    try setLocks(AreaAttributes(), on: try checked(first, count), of: space)
  }

  /// Locks all areas of a space, or those that it gets from now on, or both.
  ///
  /// Pages that cannot come are passed over.
  ///
  /// - Throws: `invalidArgument`, `notPermitted`, `outOfMemory` (more than allowed).
  /// - Context: may sleep. Linux: `mlockall()`.
  public func lockAll(
    _ space: Reference<AddressSpace>, _ choice: LockChoice
  ) throws(MemoryError) {
    guard !choice.isEmpty, choice != .onFault, LockChoice.known.isSuperset(of: choice) else {
      throw .invalidArgument
    }
    let limit = environment.lockLimit
    guard limit > .zero else { throw .notPermitted }
    let isCurrent = choice.contains(.current)
    let mayLockAll =
      limit == ByteCount(.max) || UInt64(heap[space].pageCount.value) <= limit.value >> 12
    guard !isCurrent || mayLockAll else { throw .outOfMemory }
    heap[space].futureLocks = choice.contains(.future) ? choice.attributes : AreaAttributes()
    guard isCurrent else { return }
    setLocks(choice.attributes, ofAll: space)
    populate(space, PageRange(start: PageNumber(0), end: userEnd))
  }

  /// Gives all pages back, and locks none of the areas to come. Linux: `munlockall()`.
  ///
  /// - Context: any.
  public func unlockAll(_ space: Reference<AddressSpace>) {
    heap[space].futureLocks = AreaAttributes()
    setLocks(AreaAttributes(), ofAll: space)
  }

  /// Whether a space may have so many pages locked beside those it has.
  ///
  /// Linux: `mlock_future_ok()`.
  func mayLock(_ count: PageCount, in space: Reference<AddressSpace>) -> Bool {
    let limit = environment.lockLimit
    guard limit != ByteCount(.max) else { return true }
    return UInt64((heap[space].lockedPageCount + count).value) <= limit.value >> 12
  }

  /// Whether reclaim could ever take an area's pages: a device's buffer stays anyway.
  ///
  /// Linux: not `VM_SPECIAL`.
  func mayBeLocked(_ area: Reference<Area>) -> Bool {
    guard let file = heap[area].file.reference else { return true }
    return heap[file].backing != .buffer
  }

  /// What is to be mapped as an area that is locked, if it may be.
  ///
  /// - Throws: `notPermitted`, `again`. Linux: `do_mmap()`.
  func locked(
    _ request: MapRequest, _ count: PageCount, in space: Reference<AddressSpace>
  ) throws(MemoryError) -> MapRequest {
    if request.attributes.contains(.locked), environment.lockLimit == .zero {
      throw .notPermitted
    }
    guard mayLock(count, in: space) else { throw .again }
    var request = request
    request.attributes.formUnion(heap[space].futureLocks)
    if case .file(let file, _) = request.source, heap[file].backing == .buffer {
      request.attributes = request.attributes.subtracting(.locks)
    }
    return request
  }

  // Private

  /// The pages that bytes lie in; none where they are so many that their number overflows.
  private func pages(
    from start: VirtualAddress, _ byteCount: ByteCount
  ) -> (first: PageNumber, count: PageCount) {
    let mask = PageSize.base.bytes &- 1
    let bytes = (byteCount.value &+ (start.value & mask) &+ mask) & ~mask
    return (start.page, PageCount(Int(bytes >> PageSize.base.shift)))
  }

  /// - Throws: `invalidArgument` if the range ends beyond the last address.
  private func checked(_ first: PageNumber, _ count: PageCount) throws(MemoryError) -> PageRange {
    let limit = UInt64.max >> PageSize.base.shift
    guard first.value + UInt64(count.value) <= limit else { throw .invalidArgument }
    return PageRange(start: first, count: count)
  }

  /// Linux: `count_mm_mlocked_page_nr()`.
  private func lockedCount(
    from start: PageNumber, to end: PageNumber, in space: Reference<AddressSpace>
  ) -> PageCount {
    var count = PageCount.zero
    var next = firstArea(in: space, endingAfter: start)
    while let area = next, heap[area].start < end {
      if heap[area].attributes.contains(.locked) {
        count += min(heap[area].end, end) - max(heap[area].start, start)
      }
      next = self.area(after: area)
    }
    return count
  }

  /// Linux: `apply_vma_lock_flags()`.
  private func setLocks(
    _ locks: AreaAttributes, on range: PageRange, of space: Reference<AddressSpace>
  ) throws(MemoryError) {
    var page = range.start
    defer { mergeAround(PageRange(start: range.start, end: page), in: space) }
    while page < range.end {
      guard let area = area(in: space, at: page) else { throw .outOfMemory }
      let part = PageRange(start: page, end: min(range.end, heap[area].end))
      try setLocks(locks, on: part, of: area)
      page = part.end
    }
  }

  /// Linux: `apply_mlockall_flags()`.
  private func setLocks(_ locks: AreaAttributes, ofAll space: Reference<AddressSpace>) {
    var next = firstArea(of: space)
    while let area = next {
      changeLocks(of: area, to: locks)
      next = self.area(after: area)
    }
    mergeAround(PageRange(start: PageNumber(0), end: userEnd), in: space)
  }

  /// Linux: `mlock_fixup()`.
  private func setLocks(
    _ locks: AreaAttributes, on part: PageRange, of found: Reference<Area>
  ) throws(MemoryError) {
    guard heap[found].attributes.intersection(.locks) != locks, mayBeLocked(found) else { return }
    var area = found
    if heap[area].start < part.start { area = try split(area, at: part.start) }
    if part.end < heap[area].end { _ = try split(area, at: part.end) }
    changeLocks(of: area, to: locks)
  }

  private func changeLocks(of area: Reference<Area>, to locks: AreaAttributes) {
    let old = heap[area].attributes.intersection(.locks)
    guard old != locks, mayBeLocked(area) else { return }
    heap[area].attributes = heap[area].attributes.subtracting(.locks).union(locks)
    guard old.contains(.locked) != locks.contains(.locked) else { return }
    let space = heap[area].space
    let range = PageRange(start: heap[area].start, end: heap[area].end)
    if locks.contains(.locked) {
      heap[space].lockedPageCount += range.count
      lockFrames(in: range, of: space)
    } else {
      heap[space].lockedPageCount -= range.count
      unlockFrames(in: range, of: space)
    }
    record(
      locks.contains(.locked) ? .pagesLocked : .pagesUnlocked,
      frame: UInt32(truncatingIfNeeded: range.count.value), owner: space.raw,
      value: range.start.value)
  }
}
