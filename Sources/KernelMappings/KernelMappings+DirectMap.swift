// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryUnits
import PageFrames
import PageTableFormats
import PageTables

/// Why the rights of the direct map cannot be changed.
public enum DirectMapError: Error, Sendable, BitwiseCopyable {
  /// A frame is not in the direct map.
  case notMapped
  /// Nobody may write what is executed.
  case writableAndExecutable
  /// There is no memory for the table of a page that has to be split.
  case outOfMemory
}

/// RAM at a fixed distance from where it is: the largest pages that fit, as long as neighbours
/// have the same rights.
///
/// Linux: `arch/x86/mm/init.c`, `arch/x86/mm/pat/set_memory.c`.
extension KernelMappings {
  /// Maps RAM into the direct map: large pages where they fit, smaller ones at the edges.
  ///
  /// What is mapped already, such as a part of the image, stays as it is. A page that is begun
  /// is mapped whole.
  public func mapMemory(
    from start: PhysicalAddress, _ size: ByteCount
  ) throws(AllocationError) {
    let first = PhysicalAddress(start.value & ~(PageSize.base.bytes - 1))
    let range = direct(first, size + (start - first))
    let protection = Protection.readWrite.union(.global)
    let end = range.address + range.byteCount.pagesRoundedUp.bytes
    var cursor = tables.cursor(root, at: range.address)
    while cursor.address < end {
      let frame = (first + (cursor.address - range.address)).frame
      var level = cursor.isOccupied ? cursor.level : min(cursor.level, largestLevel)
      while !cursor.isOccupied, level > 0, !fits(level, cursor.address, frame, end) { level -= 1 }
      if !cursor.isOccupied {
        if level > 0 {
          try cursor.setLarge(frame, protection, level: level)
        } else {
          try cursor.set(frame, protection)
        }
        countDirectPages(level: level, 1)
      }
      let pageSize = M.Format.pageSize(level: level).bytes
      let next = VirtualAddress((cursor.address.value & ~(pageSize - 1)) &+ pageSize)
      guard next > cursor.address else { return }
      cursor.move(to: next)
    }
  }

  private func fits(
    _ level: Int, _ address: VirtualAddress, _ frame: PageFrameNumber, _ end: VirtualAddress
  ) -> Bool {
    let size = M.Format.pageSize(level: level).bytes
    return (address.value | frame.address.value) & (size - 1) == 0
      && (end - address).value >= size
  }

  /// Gives frames other rights in the direct map, read and write being what all begin with.
  ///
  /// Larger pages that are not changed whole are split; where all that a larger page would hold
  /// has the same rights again, it is put together again.
  ///
  /// Linux: `set_memory_ro()`, `set_memory_rw()`, `set_memory_x()`,
  /// `set_direct_map_invalid_noflush()`.
  ///
  /// - Parameter protection: read, write, execute; none for frames that nobody may touch.
  /// - Throws: `outOfMemory` with some frames changed, the others not.
  /// - Complexity: O(frames), and a flush.
  public func protectDirectMap(
    from first: PageFrameNumber, _ count: PageCount, _ protection: Protection
  ) throws(DirectMapError) {
    guard !protection.isSuperset(of: .write.union(.execute)) else {
      throw .writableAndExecutable
    }
    let range = direct(first.address, count.bytes)
    let end = range.address + count.bytes
    var hasSplit = false
    var cursor = tables.cursor(root, at: range.address)
    do throws(DirectMapError) {
      while cursor.address < end {
        try change(&cursor, before: end, protection.rights.union(.global), &hasSplit)
      }
    } catch {
      tables.machine.flush(.everything)
      throw error
    }
    if hasSplit {
      tables.machine.flush(.everything)
    } else {
      tables.flush(from: range.address, count)
    }
    merge(from: range.address, to: end)
  }

  /// Changes the page that the cursor stands on and moves behind it, or splits it.
  private func change(
    _ cursor: inout PageTableCursor<M>, before end: VirtualAddress, _ protection: Protection,
    _ hasSplit: inout Bool
  ) throws(DirectMapError) {
    guard case .leaf(let leaf) = cursor.entry else { throw .notMapped }
    let size = M.Format.pageSize(level: cursor.level).bytes
    let isWhole =
      cursor.address.value & (size - 1) == 0 && (end - cursor.address).value >= size
    if leaf.protection.rights == protection.rights || isWhole {
      if leaf.protection.rights != protection.rights { cursor.replace(leaf.frame, protection) }
      cursor.move(to: VirtualAddress((cursor.address.value & ~(size - 1)) &+ size))
      return
    }
    let level = cursor.level
    do throws(AllocationError) {
      try cursor.split()
    } catch {
      throw .outOfMemory
    }
    hasSplit = true
    countDirectPages(level: level, -1)
    countDirectPages(level: level - 1, M.Format.entryCount(level: level - 1))
  }

  /// Splits all of the direct map into base pages, which it stays in: single frames can be
  /// withheld from the kernel then (`Machine.setReach`), without a table that would be wanted.
  ///
  /// Linux: `probe_page_size_mask()` with `debug_pagealloc=on`.
  ///
  /// - Throws: `outOfMemory`, with a part of it split.
  /// - Complexity: O(frames).
  public func splitDirectMap() throws(AllocationError) {
    areas.state.value.keepsBasePages = true
    defer { tables.machine.flush(.everything) }
    var cursor = tables.cursor(root, at: layout.directMap)
    let end = layout.directMap + ByteCount(tables.machine.directMap.limit.value)
    while cursor.address < end {
      while cursor.level > 0, case .leaf = cursor.entry {
        let level = cursor.level
        try cursor.split()
        countDirectPages(level: level, -1)
        countDirectPages(level: level - 1, M.Format.entryCount(level: level - 1))
      }
      let size = M.Format.pageSize(level: max(cursor.level, 1)).bytes
      cursor.move(to: VirtualAddress((cursor.address.value & ~(size - 1)) &+ size))
    }
  }

  /// Makes the largest pages out of a range and what is around it.
  private func merge(from start: VirtualAddress, to end: VirtualAddress) {
    if areas.state.value.keepsBasePages { return }
    for level in 0..<largestLevel {
      let size = M.Format.pageSize(level: level + 1).bytes
      var place = start.value & ~(size - 1)
      while place < end.value {
        var cursor = tables.cursor(root, at: VirtualAddress(place))
        if cursor.level == level, let emptied = cursor.merge() {
          tables.machine.flush(.everything)
          tables.frames.free(.adopt(emptied))
          countDirectPages(level: level, -M.Format.entryCount(level: level))
          countDirectPages(level: level + 1, 1)
        }
        place += size
      }
    }
  }

  func countDirectPages(level: Int, _ change: Int) {
    areas.state.value.directPageCounts[level] += change
  }

  /// The direct map's bytes in pages of a level. Linux: `DirectMap4k`, `DirectMap2M`,
  /// `DirectMap1G`.
  public func directMapByteCount(level: Int) -> ByteCount {
    let count = areas.state.value.directPageCounts[level]
    return ByteCount(UInt64(count) * M.Format.pageSize(level: level).bytes)
  }

  /// Where the direct map has a physical address. Linux: `__va()`.
  public func address(of physical: PhysicalAddress) -> VirtualAddress {
    layout.directMap + ByteCount(physical.value)
  }

  /// The physical address of a byte of the kernel's half, wherever it is mapped; nil where
  /// nothing is. Linux: `__pa()`, `slow_virt_to_phys()`.
  public func translate(_ address: VirtualAddress) -> PhysicalAddress? {
    guard address >= M.Format.userLimit,
      let (leaf, level) = tables.translate(root, address), leaf.protection.isAccessible
    else { return nil }
    return leaf.frame.address
      + ByteCount(address.value & (M.Format.pageSize(level: level).bytes - 1))
  }
}
