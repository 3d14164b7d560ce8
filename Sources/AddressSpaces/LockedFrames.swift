// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames
import PageTableFormats
import PageTables

/// The frames that locked areas map, by what reclaim could do with them otherwise, and what
/// happened to them since boot.
///
/// Linux: `NR_MLOCK`, `NR_UNEVICTABLE`.
public struct LockedFrames: BitwiseCopyable, Sendable {
  public internal(set) var anonymous = PageCount.zero
  /// Pages of disk files.
  public internal(set) var file = PageCount.zero
  /// Pages of files in memory.
  public internal(set) var shared = PageCount.zero
  /// Frames that became locked: each left its list. Linux: `UNEVICTABLE_PGMLOCKED`,
  /// `UNEVICTABLE_PGCULLED`.
  public internal(set) var lockedCount: UInt64 = 0
  /// … and ended to be, to be on a list again. Linux: `UNEVICTABLE_PGMUNLOCKED`,
  /// `UNEVICTABLE_PGRESCUED`.
  public internal(set) var unlockedCount: UInt64 = 0

  public var total: PageCount { anonymous + file + shared }
}

/// Locking the frames that a locked area maps.
///
/// A frame knows how many entries in locked areas lead to it. Faults count one more, whatever
/// takes an entry out counts one less, before it goes; a frame with a count is on no list that
/// reclaim looks at. Linux counts lazily, and so now and then wrongly.
///
/// Linux: `mlock_folio()`, `munlock_folio()`, `mlock_pte_range()`.
extension AddressSpaces {
  /// Locks what an area maps in a range. Context: any.
  ///
  /// - Complexity: O(mapped pages + tables).
  func lockFrames(in range: PageRange, of space: Reference<AddressSpace>) {
    var change = LockChange()
    forEachFrame(in: range, of: space) { lock($0, &change) }
    take(change)
  }

  /// Unlocks what a locked area maps in a range. Context: any.
  func unlockFrames(in range: PageRange, of space: Reference<AddressSpace>) {
    var change = LockChange()
    forEachFrame(in: range, of: space) { unlock($0, &change) }
    take(change)
  }

  /// Unlocks what the locked areas of a space map in a range, whose entries are to go.
  @inline(never)  // Out of the way of spaces that lock nothing.
  func unlockFrames(of space: Reference<AddressSpace>, from start: PageNumber, to end: PageNumber) {
    var next = firstArea(in: space, endingAfter: start)
    while let area = next, heap[area].start < end {
      if heap[area].attributes.contains(.locked) {
        let part = PageRange(start: max(start, heap[area].start), end: min(end, heap[area].end))
        unlockFrames(in: part, of: space)
      }
      next = self.area(after: area)
    }
  }

  /// Locks a frame that an entry of a locked area begins to lead to. Context: any.
  @inline(never)
  func lock(_ frame: PageFrameNumber) {
    var change = LockChange()
    lock(frame, &change)
    take(change)
  }

  /// Unlocks a frame that an entry of a locked area ends to lead to. Context: any.
  @inline(never)
  func unlock(_ frame: PageFrameNumber) {
    var change = LockChange()
    unlock(frame, &change)
    take(change)
  }

  /// Unlocks a frame that no entry is to lead to any more. Context: any.
  @inline(never)
  func unlockEverywhere(_ frame: PageFrameNumber) {
    while frames.table[frame].flags.contains(.memoryLocked) { unlock(frame) }
  }

  @inline(__always)  // The loop of `mlock` and `munlock`.
  private func forEachFrame(
    in range: PageRange, of space: Reference<AddressSpace>, _ body: (PageFrameNumber) -> Void
  ) {
    let end = range.end.address
    var cursor = tables.cursor(heap[space].root, at: range.start.address)
    var found = cursor.findOccupied(before: end)
    while found {
      cursor.visitLeaves(before: end) { leaf in
        if !leaf.protection.contains(.uncounted) { body(leaf.frame) }
      }
      found = cursor.moveToNextOccupied(before: end)
    }
  }

  @inline(__always)
  private func lock(_ frame: PageFrameNumber, _ change: inout LockChange) {
    let table = frames.table
    if table[frame].lockAgain() { return }
    if table[frame].kind == .anonymous {
      change.anonymous &+= 1
    } else {
      beginLock(ofFile: frame, &change)
    }
    change.count &+= 1
    table[frame].beginLock()
  }

  @inline(__always)
  private func unlock(_ frame: PageFrameNumber, _ change: inout LockChange) {
    let table = frames.table
    guard table[frame].unlock() else { return }
    change.count &-= 1
    if table[frame].kind == .anonymous {
      change.anonymous &-= 1
    } else {
      endLock(ofFile: frame, &change)
    }
  }

  @inline(never)
  private func beginLock(ofFile frame: PageFrameNumber, _ change: inout LockChange) {
    guard isShared(frame) else {
      removeFilePage(frame)
      change.file &+= 1
      return
    }
    change.shared &+= 1
  }

  @inline(never)
  private func endLock(ofFile frame: PageFrameNumber, _ change: inout LockChange) {
    guard isShared(frame) else {
      pushFilePage(frame)
      change.file &-= 1
      return
    }
    change.shared &-= 1
  }

  private func take(_ change: LockChange) {
    memory.value.locked.anonymous += PageCount(change.anonymous)
    memory.value.locked.file += PageCount(change.file)
    memory.value.locked.shared += PageCount(change.shared)
    if change.count > 0 {
      memory.value.locked.lockedCount += UInt64(change.count)
    } else {
      memory.value.locked.unlockedCount += UInt64(-change.count)
    }
  }
}

/// Frames that are locked more than before, kept for a loop over them: all locks, or all unlocks.
///
/// They cannot overflow: there are fewer than 2^52 pages.
private struct LockChange: BitwiseCopyable {
  var anonymous = 0
  var file = 0
  var shared = 0
  var count = 0
}
