// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames
import PageTableFormats
import PageTables

extension AddressSpaces {
  /// A copy of an address space that shares its private pages until one side writes.
  ///
  /// - Throws: `outOfMemory`; the original is then as it was, but for rights to write that its
  ///   next writes restore.
  /// - Context: may reclaim; does not sleep.
  /// - Complexity: O(areas + private pages mapped). Linux: `dup_mmap()`.
  public func duplicate(
    _ space: Reference<AddressSpace>
  ) throws(MemoryError) -> Reference<AddressSpace> {
    let copy = try makeSpace()
    heap[copy].adopt(heap[space])
    var next = firstArea(of: space)
    do {
      while let area = next {
        if !heap[area].attributes.contains(.notInherited) { try duplicate(area, into: copy) }
        next = self.area(after: area)
      }
    } catch {
      machine.flush(.space)
      release(copy)
      throw error
    }
    // The original lost its right to write to what is shared now.
    machine.flush(.space)
    return copy
  }

  private func duplicate(
    _ area: Reference<Area>, into space: Reference<AddressSpace>
  ) throws(MemoryError) {
    var value = heap[area]
    value.space = space
    value.clearLinks()
    value.attributes.remove(.locked)
    let copy = try allocate(value)
    if !heap[area].attributes.contains(.emptyAfterFork) {
      do {
        try forkRegions(of: area, to: copy)
      } catch {
        heap.free(copy)
        throw error
      }
    }
    if let file = value.file.reference {
      heap[file].users += 1
      insertMapping(copy, of: file)
    }
    insert(copy, into: space)
    countPages(value.pageCount, in: space)
    if isCommitted(copy) { memory.value.committedPageCount += value.pageCount }
    // Pages of files that were never written come again by themselves.
    guard heap[area].region.reference != nil,
      !heap[area].attributes.contains(.emptyAfterFork)
    else { return }
    try copyEntries(of: area, to: copy)
  }

  /// Linux: `copy_page_range()`.
  private func copyEntries(
    of area: Reference<Area>, to copy: Reference<Area>
  ) throws(MemoryError) {
    let target = heap[copy].space
    let end = heap[area].end.address
    var from = tables.cursor(heap[heap[area].space].root, at: heap[area].start.address)
    var to = tables.cursor(heap[target].root, at: heap[area].start.address)
    var found = from.findOccupied(before: end)
    while found {
      let address = from.address
      to.move(to: address)
      // Reclaim may take the page out of the original while this looks for room: look after it.
      try prepare(&to)
      if case .leaf(let leaf) = from.entry {
        if leaf.protection.contains(.write) { from.writeProtect() }
        if !leaf.protection.contains(.uncounted) { share(leaf, at: address.page, with: target) }
        enterCopy(of: from, &to)
      }
      found = from.moveToNextOccupied(before: end)
    }
    notePeak(of: target)
  }

  @inline(__always)
  private func share(
    _ leaf: DecodedEntry.Leaf, at page: PageNumber, with target: Reference<AddressSpace>
  ) {
    frames.retain(leaf.frame)
    frames.mapped(leaf.frame, at: page, space: target.raw)
    if frames.table[leaf.frame].kind == .anonymous {
      frames.table[leaf.frame].flags.remove(.exclusive)
      heap[target].anonymousCount += PageCount(1)
    } else {
      heap[target].fileCount += PageCount(1)
    }
  }

  @inline(__always)
  private func enterCopy(
    of from: borrowing PageTableCursor<Environment.Hardware>,
    _ to: inout PageTableCursor<Environment.Hardware>
  ) {
    do {
      try to.copy(from: from)
    } catch {
      preconditionFailure("the tables were not prepared")
    }
  }
}

extension AddressSpace {
  /// Takes over what fork inherits besides the areas.
  mutating func adopt(_ original: AddressSpace) {
    breakStart = original.breakStart
    breakEnd = original.breakEnd
    mapCeiling = original.mapCeiling
    stackStart = original.stackStart
    argumentStart = original.argumentStart
    argumentEnd = original.argumentEnd
    environmentEnd = original.environmentEnd
    codeStart = original.codeStart
    codeEnd = original.codeEnd
    dataStart = original.dataStart
    dataEnd = original.dataEnd
    stackLimit = original.stackLimit
    pageLimit = original.pageLimit
  }
}
