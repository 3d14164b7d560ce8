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
    value.attributes = value.attributes.subtracting(.locks)
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
    var (anonymous, file) = (0, 0)
    defer {
      heap[target].anonymousCount += PageCount(anonymous)
      heap[target].fileCount += PageCount(file)
      notePeak(of: target)
    }
    while found {
      to.move(to: from.address)
      // Reclaim may take pages out of the original while this looks for room: look after it.
      try prepare(&to)
      if from.level == 0 {
        to.shareEntries(of: &from, before: end) { leaf, page in
          if leaf.protection.contains(.uncounted) { return }
          let kind = frames.shared(leaf.frame, at: page, space: target.raw)
          if kind == .anonymous { anonymous &+= 1 } else { file &+= 1 }
        }
      }
      found = from.moveToNextOccupied(before: end)
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
