// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryUnits
import PageFrames
import PageTableFormats

/// A place in a page table, and the only way to write entries.
///
/// It stands at an address, on the entry that decides about it: the one of level 0 where all
/// tables are there, otherwise the empty or large one that the walk ends at. The tables on the
/// way are remembered, so a step to a neighbour costs no walk.
///
///     var found = cursor.findOccupied(before: end)
///     while found {
///       …                                            // look at, change, or take the entry
///       found = cursor.moveToNextOccupied(before: end)
///     }
///
/// It flushes nothing: who narrows or takes a translation that a CPU may have seen flushes it
/// (`UnmapBatch`, `PageTables.flush`).
///
/// Context: leaf code; the address space is locked. Other cursors of the same root may write
/// entries meanwhile, but may not take tables out; none outlives a sleep.
///
/// Linux: the nest of `walk_page_range()`, `pte_offset_map()`.
public struct PageTableCursor<M: Machine>: ~Copyable {
  public let tables: PageTables<M>
  public let root: PageFrameNumber
  public private(set) var address: VirtualAddress
  /// Of the entry that it stands on: 0 where all tables are there.
  public private(set) var level: Int

  /// The place of the entry in `table`.
  private(set) var index: Int
  private(set) var table: EntryTable<M.Format>
  /// The frame of `table`.
  private var tableFrame: PageFrameNumber
  /// The tables from the root down to `level`, by level.
  private var path: InlineArray<4, PageFrameNumber>

  init(_ tables: PageTables<M>, root: PageFrameNumber, at address: VirtualAddress) {
    precondition(M.Format.levelCount <= 4, "more levels than a cursor remembers")
    self.tables = tables
    self.root = root
    self.address = address
    level = M.Format.rootLevel
    index = M.Format.index(of: address, level: level)
    table = tables.entries(root)
    tableFrame = root
    path = InlineArray(repeating: root)
    descend()
  }

  // Looking

  /// What the entry says; `.empty` where a table is missing. Never `.table`.
  @inline(__always)
  public var entry: DecodedEntry { M.Format.decode(table[index], level: level) }

  /// Whether the entry holds anything.
  public var isOccupied: Bool { table[index] != 0 }

  // Moving

  /// Moves to any address. A move within one table costs no walk.
  @inline(__always)
  public mutating func move(to target: VirtualAddress) {
    if level == 0, (address.value ^ target.value) &>> M.Format.pageSize(level: 1).shift == 0 {
      address = target
      index = M.Format.index(of: target, level: 0)
    } else {
      moveFar(to: target)
    }
  }

  @inline(never)
  private mutating func moveFar(to target: VirtualAddress) {
    let difference = address.value ^ target.value
    address = target
    if level == M.Format.rootLevel || difference &>> spanShift == 0 {
      index = M.Format.index(of: target, level: level)
    } else {
      repeat { level += 1 } while level < M.Format.rootLevel && difference &>> spanShift != 0
      enter(path[level])
    }
    if level > 0 { descend() }
  }

  /// Moves to the page after this one.
  public mutating func moveToNextPage() {
    if level == 0, index &+ 1 < M.Format.entryCount(level: 0) {
      index &+= 1
      address = VirtualAddress(address.value &+ PageSize.base.bytes)
    } else {
      move(to: VirtualAddress(address.value &+ PageSize.base.bytes))
    }
  }

  /// Moves to the first entry that holds anything, from here on.
  ///
  /// - Returns: false if there is none that begins before the limit; the cursor is then somewhere
  ///   before it, to be moved before it is used.
  /// - Complexity: O(entries passed); a missing table counts as one.
  public mutating func findOccupied(before limit: VirtualAddress) -> Bool {
    while address < limit {
      if scan(before: limit) {
        if level == 0 || !descend() { return true }
        continue
      }
      let next = (address.value &>> spanShift) &+ 1
      let start = VirtualAddress(next &<< spanShift)
      guard start.value != 0, start < limit, level < M.Format.rootLevel else { return false }
      move(to: start)
    }
    return false
  }

  /// The same, from the entry after this one on.
  @inline(__always)
  public mutating func moveToNextOccupied(before limit: VirtualAddress) -> Bool {
    if level == 0, index &+ 1 < M.Format.entryCount(level: 0), table[index &+ 1] != 0 {
      let next = VirtualAddress((address.value | (PageSize.base.bytes &- 1)) &+ 1)
      guard next < limit else { return false }
      index &+= 1
      address = next
      return true
    }
    return moveToDistantOccupied(before: limit)
  }

  @inline(never)
  private mutating func moveToDistantOccupied(before limit: VirtualAddress) -> Bool {
    let shift = M.Format.pageSize(level: level).shift
    let next = VirtualAddress(((address.value &>> shift) &+ 1) &<< shift)
    guard next.value != 0, next < limit else { return false }
    if index &+ 1 < M.Format.entryCount(level: level) {
      index &+= 1
      address = next
      if level > 0 { descend() }
      if table[index] != 0 { return true }
    } else {
      move(to: next)
    }
    return findOccupied(before: limit)
  }

  /// Makes the tables that are missing, so that the cursor stands on an entry of level 0.
  ///
  /// Linux: `pte_alloc()` and its kin.
  ///
  /// - Throws: what the page allocator throws; the tables made before stay for the next attempt.
  /// - Precondition: no large page is in the way; not in a kernel half that the root only shares,
  ///   unless the table just below the root is there.
  public mutating func makeTables(downTo target: Int = 0) throws(AllocationError) {
    while level > target {
      precondition(table[index] == 0, "a large page is in the way")
      if level == M.Format.rootLevel, index >= M.Format.firstKernelIndex {
        precondition(tables.frames.table[root].next == 0, "a shared half has no table here")
      }
      let frame = try tables.allocateTable()
      write(M.Format.table(frame, level: level))
      tables.frames.table[root].previous += 1
      level -= 1
      path[level] = frame
      enter(frame)
    }
  }

  // Private: also used by the verbs in other files

  /// Writes an entry and keeps count of those in use.
  @inline(__always)
  func write(_ new: UInt64) {
    let old = table[index]
    table[index] = new
    if (old == 0) == (new == 0) { return }
    tables.frames.table[tableFrame].privateWord &+= new == 0 ? .max : 1
  }

  var rawEntry: UInt64 {
    get { table[index] }
    nonmutating set { table[index] = newValue }
  }

  /// The entries of the table that are in use.
  var entryCount: UInt32 { tables.frames.table[tableFrame].privateWord }

  /// Counts entries of the table that came into use.
  func countEntries(_ change: UInt32) {
    tables.frames.table[tableFrame].privateWord &+= change
  }

  /// Moves on within the table.
  mutating func skip(_ entries: Int) {
    index &+= entries
    address = VirtualAddress(
      (address.page.value &+ UInt64(entries)) &<< M.Format.pageSize(level: 0).shift)
  }

  /// Whether the table that it stands in holds nothing.
  @inline(__always)
  var isTableEmpty: Bool { tables.frames.table[tableFrame].privateWord == 0 }

  /// Takes the tables that hold nothing out, from here upwards, into a batch.
  ///
  /// The kernel's half keeps its tables.
  @inline(never)
  mutating func removeEmptyTables(into batch: inout UnmapBatch<M>) {
    while level < M.Format.rootLevel, tables.frames.table[tableFrame].privateWord == 0,
      address < M.Format.userLimit
    {
      let frame = tableFrame
      level += 1
      enter(path[level])
      write(0)
      tables.frames.table[root].previous -= 1
      batch.add(table: frame)
    }
  }

  /// Moves to the entry that leads to the current table, and returns that table.
  mutating func standAbove() -> PageFrameNumber {
    let below = tableFrame
    level += 1
    enter(path[level])
    return below
  }

  /// The bits of an address that choose within the current table.
  private var spanShift: UInt64 { M.Format.pageSize(level: level + 1).shift }

  /// Stands on the address's entry in a table of the current level.
  private mutating func enter(_ frame: PageFrameNumber) {
    tableFrame = frame
    table = tables.entries(frame)
    index = M.Format.index(of: address, level: level)
  }

  /// Follows tables downwards; false if the entry is none.
  @discardableResult
  private mutating func descend() -> Bool {
    let from = level
    while level > 0, let frame = M.Format.tableFrame(table[index]) {
      level -= 1
      path[level] = frame
      enter(frame)
    }
    return level != from
  }

  /// Moves to the first entry of the current table that holds anything, from here on.
  ///
  /// - Returns: false if there is none before the limit; the cursor did not move then.
  private mutating func scan(before limit: VirtualAddress) -> Bool {
    // Of the kernel's half of a root that shares it nothing is counted.
    if isTableEmpty, limit <= M.Format.userLimit { return false }
    let shift = M.Format.pageSize(level: level).shift
    let reach = Int((limit.value &- 1) &>> shift &- address.value &>> shift)
    let last = min(M.Format.entryCount(level: level) &- 1, index &+ reach)
    guard let place = table.firstOccupied(from: index, through: last) else { return false }
    if place != index {
      address = VirtualAddress((address.value &>> shift &+ UInt64(place &- index)) &<< shift)
      index = place
    }
    return true
  }
}
