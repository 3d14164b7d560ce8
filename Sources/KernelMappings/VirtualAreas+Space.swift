// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures
import KernelHeap
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames
import PageTableFormats
import PageTables

/// Addresses: finding, taking and giving back.
extension VirtualAreas {
  /// The area that begins with a page.
  func find(_ page: PageNumber) -> Reference<VirtualArea>? {
    state.value.tree.find(in: links) { node in
      if page == heap[node].start { return .here }
      return page < heap[node].start ? .left : .right
    }
  }

  /// Takes the lowest addresses that are large enough, the guard page included.
  ///
  /// Linux: `alloc_vmap_area()`.
  func reserve(
    _ pageCount: PageCount, _ purpose: VirtualAreaPurpose, _ caller: StaticString
  ) throws(AllocationError) -> Reference<VirtualArea> {
    let area = try heap.allocate(
      VirtualArea(start: first, pageCount: pageCount, purpose: purpose, caller: caller))
    if place(area) { return area }
    purge()
    if place(area) { return area }
    heap.free(area)
    throw .outOfMemory
  }

  private func place(_ area: Reference<VirtualArea>) -> Bool {
    let needed = UInt64(heap[area].pageCount.value + 1)
    if let above = lowestGap(needed) {
      heap[area].start = PageNumber(heap[above].start.value - heap[above].gaps.before)
      state.value.tree.insert(
        area, after: state.value.tree.previous(before: above, in: links), in: links)
      heap[above].gaps.before -= needed
      state.value.tree.refresh(above, in: links)
    } else {
      let last = state.value.tree.last(in: links)
      let start = last.map { heap[$0].end } ?? first
      guard limit > start, needed <= UInt64((limit - start).value) else { return false }
      heap[area].start = start
      state.value.tree.insert(area, after: last, in: links)
    }
    state.value.usedPages += heap[area].pageCount
    if heap[area].purpose.hasMemory { state.value.memoryPages += heap[area].pageCount }
    state.value.usedCount += 1
    return true
  }

  /// The area above the lowest gap of so many pages.
  ///
  /// - Complexity: O(log areas).
  private func lowestGap(_ needed: UInt64) -> Reference<VirtualArea>? {
    guard var node = state.value.tree.root, heap[node].gaps.largest >= needed else { return nil }
    while true {
      if let left = links.left(of: node), heap[left].gaps.largest >= needed {
        node = left
      } else if heap[node].gaps.before >= needed {
        return node
      } else if let right = links.right(of: node) {
        node = right
      } else {
        preconditionFailure("a gap that the tree remembers is not there")
      }
    }
  }

  /// Unmaps an area, whole or begun, and leaves it to the next purge.
  ///
  /// Linux: `free_vmap_area_noflush()`.
  func release(_ area: Reference<VirtualArea>) {
    let count = heap[area].pageCount
    let end = (heap[area].start + count).address
    var cursor = tables.cursor(root, at: heap[area].start.address)
    var isFound = cursor.findOccupied(before: end)
    while isFound {
      if case .leaf(let leaf) = cursor.take(), !leaf.protection.contains(.uncounted) {
        hold(leaf.frame, at: &cursor)
      }
      isFound = cursor.moveToNextOccupied(before: end)
    }
    heap[area].isLazy = true
    heap[area].nextLazy = state.value.firstLazy
    state.value.firstLazy = Link(area)
    state.value.lazyPages += count
    state.value.usedPages -= count
    if heap[area].purpose.hasMemory { state.value.memoryPages -= count }
    state.value.usedCount -= 1
    if state.value.lazyPages > lazyLimit { purge() }
  }

  /// Notes in an entry which frame waits there: that of a page which is on its way elsewhere.
  private func hold(_ frame: PageFrameNumber, at cursor: inout PageTableCursor<M>) {
    do throws(AllocationError) {
      try cursor.set(.migration(frame, writable: false))
    } catch {
      preconditionFailure("an entry that was in use has no table")
    }
  }

  /// Lets go of the frames that wait in an area's entries.
  private func releaseHeld(by area: Reference<VirtualArea>) {
    let end = (heap[area].start + heap[area].pageCount).address
    var cursor = tables.cursor(root, at: heap[area].start.address)
    var isFound = cursor.findOccupied(before: end)
    while isFound {
      if case .software(.migration(let frame, _)) = cursor.take() {
        tables.frames.release(frame)
      }
      isFound = cursor.moveToNextOccupied(before: end)
    }
  }

  /// Flushes once for all lazy areas, then frees their frames and addresses.
  ///
  /// Linux: `__purge_vmap_area_lazy()`.
  public func purge() {
    guard state.value.firstLazy.reference != nil else { return }
    flushLazy()
    while let area = state.value.firstLazy.reference {
      state.value.firstLazy = heap[area].nextLazy
      releaseHeld(by: area)
      let above = state.value.tree.next(after: area, in: links)
      let freed = heap[area].gaps.before + UInt64(heap[area].pageCount.value + 1)
      state.value.tree.remove(area, in: links)
      if let above {
        heap[above].gaps.before += freed
        state.value.tree.refresh(above, in: links)
      }
      heap.free(area)
    }
    state.value.lazyPages = .zero
  }

  private func flushLazy() {
    var lowest = PageNumber(.max)
    var highest = PageNumber(0)
    var next = state.value.firstLazy.reference
    while let area = next {
      lowest = min(lowest, heap[area].start)
      highest = max(highest, heap[area].end)
      next = heap[area].nextLazy.reference
    }
    tables.flush(from: lowest.address, highest - lowest)
  }
}
