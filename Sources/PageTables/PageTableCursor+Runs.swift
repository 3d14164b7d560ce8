// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryUnits
import PageFrames
import PageTableFormats

/// Loops over the entries of one table, for the verbs that go through many pages.
///
/// What one entry costs here is what a page costs there, so the table and its count of entries
/// are looked up once, and a loop ends with the last entry in use.
///
/// Linux: `zap_pte_range()`, `copy_pte_range()`, `move_ptes()`, `change_pte_range()`.
extension PageTableCursor {
  /// Empties the entries from here on, as far as the table and a limit reach.
  ///
  /// The frames of leaves go to the batch, unless they are uncounted, and so do tables that hold
  /// nothing more. The cursor stands on the last entry looked at, for the search to go on.
  ///
  /// - Parameter body: is told of each entry and its page before the batch has its frame.
  /// - Precondition: the cursor stands on an entry of level 0 before the limit.
  @inline(__always)
  public mutating func takeEntries(
    before limit: VirtualAddress, into batch: inout UnmapBatch<M>,
    _ body: (DecodedEntry, PageNumber) -> Void
  ) {
    precondition(level == 0, "only base pages are taken in a run")
    let count = entriesLeft(before: limit)
    let page = address.page
    let (table, first, used) = (table, index, entryCount)
    var taken: UInt32 = 0
    var step = 0
    while step < count && taken < used {
      let old = table[first &+ step]
      if old != 0 {
        table[first &+ step] = 0
        taken &+= 1
        let entry = M.Format.decode(old, level: 0)
        let address = VirtualAddress((page.value &+ UInt64(step)) &<< PageSize.base.shift)
        body(entry, address.page)
        if case .leaf(let leaf) = entry {
          if leaf.protection.contains(.uncounted) {
            batch.note(address)
          } else {
            batch.add(leaf.frame, at: address)
          }
        }
      }
      step &+= 1
    }
    countEntries(0 &- taken)
    // Nothing is left before the limit, or in the table.
    skip(count &- 1)
    if isTableEmpty { removeEmptyTables(into: &batch) }
  }

  /// Maps the leaves of another table here too, without the right to write in either, the copies
  /// not yet accessed. Both cursors end on the last entry looked at.
  ///
  /// - Parameter body: is told of each leaf and its page.
  /// - Precondition: both stand on entries of level 0 at the same address, this table is empty
  ///   from there to the limit.
  @inline(__always)
  public mutating func shareEntries(
    of other: inout PageTableCursor<M>, before limit: VirtualAddress,
    _ body: (DecodedEntry.Leaf, PageNumber) -> Void
  ) {
    precondition(
      level == 0 && other.level == 0 && address == other.address, "two places are not one run")
    let count = entriesLeft(before: limit)
    let page = address.page
    let (copies, originals) = (table, other.table)
    let (first, used) = (index, other.entryCount)
    var (seen, shared) = (0 as UInt32, 0 as UInt32)
    var step = 0
    while step < count && seen < used {
      let old = originals[first &+ step]
      if old != 0 {
        seen &+= 1
        if case .leaf(let leaf) = M.Format.decode(old, level: 0) {
          precondition(copies[first &+ step] == 0, "something is mapped where pages are shared")
          let kept = M.Format.writeProtecting(old)
          if kept != old { originals[first &+ step] = kept }
          copies[first &+ step] = M.Format.clearingAccessed(kept)
          shared &+= 1
          body(leaf, page + PageCount(step))
        }
      }
      step &+= 1
    }
    countEntries(shared)
    skip(count &- 1)
    other.skip(count &- 1)
  }

  /// Moves entries as they are from here on to another place, as far as both tables reach.
  ///
  /// Tables that hold nothing more stay, for `takeEmptyTables`.
  ///
  /// - Returns: the pages passed, at least one; the cursors stay where they are.
  /// - Precondition: both stand on entries of level 0, the other on empty ones.
  public mutating func moveEntries(
    to other: inout PageTableCursor<M>, atMost limit: PageCount
  ) -> PageCount {
    precondition(level == 0 && other.level == 0, "only base pages are moved")
    let count = min(limit.value, min(entriesLeft, other.entriesLeft))
    precondition(
      other.isTableEmpty
        || other.table.firstOccupied(from: other.index, through: other.index + count - 1) == nil,
      "something is mapped where pages are moved to")
    let isWhole = count == M.Format.entryCount(level: 0)
    let moved = isWhole ? entryCount : UInt32(table.occupiedCount(from: index, count: count))
    table.move(from: index, count: count, to: other.table, at: other.index)
    countEntries(0 &- moved)
    other.countEntries(moved)
    return PageCount(count)
  }

  /// Gives the leaves from here on other rights, as far as the table and a limit reach.
  ///
  /// Frames, marks and attributes stay. The cursor ends on the last entry looked at.
  ///
  /// - Parameter write: whether a leaf that may be written stays so; others never become it.
  /// - Precondition: the cursor stands on an entry of level 0 before the limit.
  public mutating func protectEntries(
    before limit: VirtualAddress, _ protection: Protection, keepingWrite write: Bool
  ) {
    precondition(level == 0, "only base pages are protected in a run")
    let count = entriesLeft(before: limit)
    let (table, first, used) = (table, index, entryCount)
    let writable = write ? protection.union(.write) : protection
    var seen: UInt32 = 0
    var step = 0
    while step < count && seen < used {
      let old = table[first &+ step]
      if old != 0 {
        seen &+= 1
        if case .leaf(let leaf) = M.Format.decode(old, level: 0) {
          if leaf.protection.contains(.write) {
            table[first &+ step] = M.Format.protecting(old, writable, level: 0)
          } else {
            table[first &+ step] = M.Format.protecting(old, protection, level: 0)
          }
        }
      }
      step &+= 1
    }
    skip(count &- 1)
  }

  /// Looks at the leaves from here on, as far as the table and a limit reach. The cursor ends on
  /// the last entry looked at.
  ///
  /// - Precondition: the cursor stands on an entry of level 0 before the limit.
  @inline(__always)
  public mutating func visitLeaves(
    before limit: VirtualAddress, _ body: (DecodedEntry.Leaf) -> Void
  ) {
    precondition(level == 0, "only base pages are visited in a run")
    let count = entriesLeft(before: limit)
    let (table, first, used) = (table, index, entryCount)
    var seen: UInt32 = 0
    var step = 0
    while step < count && seen < used {
      let old = table[first &+ step]
      if old != 0 {
        seen &+= 1
        if case .leaf(let leaf) = M.Format.decode(old, level: 0) { body(leaf) }
      }
      step &+= 1
    }
    skip(count &- 1)
  }

  /// Passes the pages from here on that are mapped with the wanted rights at least.
  ///
  /// The cursor is then somewhere before it, to be moved before it is used.
  ///
  /// - Returns: the first page that is not, or the one at the limit.
  /// - Complexity: O(pages passed).
  public mutating func passLeaves(
    before limit: VirtualAddress, granting rights: Protection
  ) -> PageNumber {
    while address < limit, level == 0 {
      let count = entriesLeft(before: limit)
      let (table, first) = (table, index)
      var step = 0
      while step < count, case .leaf(let leaf) = M.Format.decode(table[first &+ step], level: 0),
        leaf.protection.isSuperset(of: rights)
      {
        step &+= 1
      }
      let page = address.page + PageCount(step)
      guard step == count, page.address < limit else { return page }
      move(to: page.address)
    }
    return address.page
  }

  /// The entries from this one to the end of its table.
  private var entriesLeft: Int { M.Format.entryCount(level: level) &- index }

  /// … or to an address, whichever comes first.
  private func entriesLeft(before limit: VirtualAddress) -> Int {
    precondition(address < limit, "a run without pages")
    let pages = (limit.value &- 1) &>> PageSize.base.shift &- address.page.value &+ 1
    return Int(min(UInt64(entriesLeft), pages))
  }
}
