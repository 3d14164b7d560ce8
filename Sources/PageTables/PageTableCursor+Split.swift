// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryUnits
import PageFrames
import PageTableFormats

/// Large pages that become small ones, and small ones that become a large one again.
///
/// Both leave every translation what it was, so a CPU may use the old one until it is flushed.
extension PageTableCursor {
  /// Puts a table of the next smaller pages in a large page's place; the cursor then stands on
  /// the one that its address lies in.
  ///
  /// Linux: `__split_large_page()`.
  ///
  /// - Throws: what the page allocator throws; nothing is changed then.
  /// - Precondition: the entry is a large leaf below the root, whose tables copies share.
  public mutating func split() throws(AllocationError) {
    guard level > 0, level < M.Format.rootLevel, case .leaf(let leaf) = entry else {
      preconditionFailure("a split of what is no large page below the root")
    }
    let below = level - 1
    let frame = try tables.allocateTable()
    let part = tables.entries(frame)
    let step = PageCount(Int(M.Format.pageSize(level: below).bytes / PageSize.base.bytes))
    var next = leaf.frame
    for index in 0..<M.Format.entryCount(level: below) {
      part[index] = M.Format.leaf(next, leaf.protection, level: below)
      next = next + step
    }
    tables.frames.table[frame].privateWord = UInt32(M.Format.entryCount(level: below))
    tables.frames.table[root].previous += 1
    write(M.Format.table(frame, level: level))
    move(to: address)
  }

  /// Puts a large page in the place of the cursor's table, if its pages are all there, in a row,
  /// with the same rights; the cursor then stands on it.
  ///
  /// - Returns: the table that no entry leads to any more, to be freed after a flush of
  ///   everything; nil if the pages do not fit.
  /// - Precondition: the large page would be below the root, whose tables copies share.
  public mutating func merge() -> PageFrameNumber? {
    precondition(level + 1 < M.Format.rootLevel, "a merge into the root")
    let count = M.Format.entryCount(level: level)
    guard entryCount == UInt32(count), case .leaf(let first) = firstEntry else { return nil }
    let size = M.Format.pageSize(level: level + 1).bytes
    guard first.frame.address.value & (size - 1) == 0 else { return nil }
    let step = PageCount(Int(M.Format.pageSize(level: level).bytes / PageSize.base.bytes))
    var next = first.frame
    for index in 0..<count {
      guard case .leaf(let leaf) = M.Format.decode(table[index], level: level),
        leaf.frame == next, leaf.protection == first.protection
      else { return nil }
      next = next + step
    }
    let emptied = standAbove()
    rawEntry = M.Format.leaf(first.frame, first.protection, level: level)
    tables.frames.table[root].previous -= 1
    tables.frames.table[emptied].privateWord = 0
    return emptied
  }

  private var firstEntry: DecodedEntry { M.Format.decode(table[0], level: level) }
}
