// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryUnits
import PageFrames
import PageTableFormats

extension PageTableCursor {
  /// Maps a frame, making the tables that are missing.
  ///
  /// Linux: `set_pte_at()`.
  ///
  /// - Parameter mark: as if the CPU had used the page already, which saves it the write.
  /// - Throws: what the page allocator throws; nothing is mapped then.
  /// - Precondition: the entry is empty or a software entry.
  @inline(__always)
  public mutating func set(
    _ frame: PageFrameNumber, _ protection: Protection, mark: AccessMark? = nil
  ) throws(AllocationError) {
    if level > 0 { try makeTables() }
    if case .leaf = entry { preconditionFailure("set of a page that is mapped") }
    write(Self.leaf(frame, protection, mark, level: 0))
  }

  /// Maps a large page of a level, making the tables above it that are missing.
  ///
  /// - Precondition: nothing is there; address and frame are aligned to the level's size.
  public mutating func setLarge(
    _ frame: PageFrameNumber, _ protection: Protection, level target: Int
  ) throws(AllocationError) {
    try makeTables(downTo: target)
    precondition(level == target && !isOccupied, "tables or pages are in the way")
    let mask = M.Format.pageSize(level: target).bytes - 1
    precondition(
      address.value & mask == 0 && frame.address.value & mask == 0, "a large page out of line")
    write(Self.leaf(frame, protection, nil, level: target))
  }

  /// Leaves something to be found again in an entry that no CPU uses, whatever was there.
  ///
  /// - Throws: what the page allocator throws, only where a table is missing.
  /// - Returns: what was there.
  @discardableResult
  public mutating func set(_ software: SoftwareEntry) throws(AllocationError) -> DecodedEntry {
    if level > 0 { try makeTables() }
    let old = entry
    write(M.Format.software(software))
    return old
  }

  /// Maps another frame, with other rights, where something is mapped or kept already.
  ///
  /// - Returns: what was there.
  /// - Precondition: the entry is not empty.
  @discardableResult
  public func replace(
    _ frame: PageFrameNumber, _ protection: Protection, mark: AccessMark? = nil
  ) -> DecodedEntry {
    let old = entry
    precondition(old != .empty, "replace of nothing")
    rawEntry = Self.leaf(frame, protection, mark, level: level)
    return old
  }

  /// Empties the entry; its table stays even if it holds nothing more.
  ///
  /// Linux: `ptep_get_and_clear()`.
  ///
  /// - Returns: what was there.
  @inline(__always)
  public func take() -> DecodedEntry {
    let old = entry
    if old != .empty { write(0) }
    return old
  }

  /// Empties the entry, and takes tables that hold nothing more out, for a batch to free.
  ///
  /// A leaf's frame goes to the batch too, unless it is uncounted; its translation is noted.
  ///
  /// - Returns: what was there.
  @inline(__always)
  public mutating func take(into batch: inout UnmapBatch<M>) -> DecodedEntry {
    let old = take()
    if case .leaf(let leaf) = old {
      if leaf.protection.contains(.uncounted) {
        batch.note(address)
      } else {
        batch.add(leaf.frame, at: address)
      }
    }
    if isTableEmpty { removeEmptyTables(into: &batch) }
    return old
  }

  /// Takes tables out that hold nothing, from here upwards. For who emptied entries by `take()`.
  public mutating func takeEmptyTables(into batch: inout UnmapBatch<M>) {
    removeEmptyTables(into: &batch)
  }

  /// Gives a leaf other rights; frame, marks and attributes stay. Linux: `pte_modify()`.
  ///
  /// - Precondition: the entry is a leaf.
  public func protect(_ protection: Protection) {
    rawEntry = M.Format.protecting(rawEntry, protection, level: level)
  }

  /// Takes the right to write from a leaf. Linux: `ptep_set_wrprotect()`.
  public func writeProtect() {
    rawEntry = M.Format.writeProtecting(rawEntry)
  }

  /// Marks a leaf as the CPU does on an access. Linux: `ptep_set_access_flags()`.
  public func mark(_ access: AccessMark) {
    rawEntry = M.Format.marking(rawEntry, access)
  }

  /// Clears a leaf's accessed mark; true if it was set. Linux: `ptep_test_and_clear_young()`.
  public func clearAccessed() -> Bool {
    let old = rawEntry
    let new = M.Format.clearingAccessed(old)
    if old == new { return false }
    rawEntry = new
    return true
  }

  /// Clears a leaf's dirty mark; true if it was set. Linux: `ptep_clean()`.
  public func clearDirty() -> Bool {
    guard case .leaf(let leaf) = entry, leaf.isDirty else { return false }
    rawEntry = M.Format.clearingDirty(rawEntry)
    return true
  }

  @inline(__always)
  private static func leaf(
    _ frame: PageFrameNumber, _ protection: Protection, _ mark: AccessMark?, level: Int
  ) -> UInt64 {
    let entry = M.Format.leaf(frame, protection, level: level)
    guard let mark else { return entry }
    return M.Format.marking(entry, mark)
  }
}
