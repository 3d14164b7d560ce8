// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures
import KernelHeap
import Machine
import MemoryUnits
import PageFrames
import PageTableFormats
import PageTables

/// From a frame to the page-table entries that map it.
///
/// Linux: `rmap_walk()`.
extension AddressSpaces {
  /// Visits each area that covers a frame's page, with the page there; whether it is mapped
  /// there is for the body to see.
  ///
  /// - Context: does not sleep; the body may not change the areas.
  public func forEachPlace(
    of frame: PageFrameNumber, _ body: (Reference<AddressSpace>, PageNumber) -> Void
  ) {
    let index = frames.table[frame].index
    switch frames.table[frame].kind {
    case .file:
      guard let file = Link<CachedFile>(raw: frames.table[frame].owner).reference else { return }
      heap[file].mappings.forEachOverlap(from: index, through: index, in: mappingLinks) { area in
        guard let page = heap[area].page(at: index) else { return }
        body(heap[area].space, page)
      }
    case .anonymous:
      let owner = Link<AnonymousRegion>(raw: frames.table[frame].owner)
      guard let region = owner.reference else { return }
      heap[region].links.forEachOverlap(from: index, through: index, in: regionLinks) { link in
        guard let page = heap[heap[link].area].page(at: index) else { return }
        body(heap[heap[link].area].space, page)
      }
    default: return
    }
  }

  /// Whether a program touched the page since this was last asked. Linux: `folio_referenced()`.
  public func takeReferenced(_ frame: PageFrameNumber) -> Bool {
    var wasReferenced = frames.table[frame].flags.contains(.referenced)
    frames.table[frame].flags.remove(.referenced)
    guard frames.table[frame].mappings > 0 else { return wasReferenced }
    forEachPlace(of: frame) { space, page in
      let cursor = tables.cursor(heap[space].root, at: page.address)
      guard case .leaf(let leaf) = cursor.entry, leaf.frame == frame else { return }
      if cursor.clearAccessed() { wasReferenced = true }
      machine.flush(.page(page.address))
    }
    return wasReferenced
  }

  /// Makes a page read-only for all programs, so that the next write to it is noticed.
  ///
  /// Linux: `folio_mkclean()`.
  func writeProtectEverywhere(_ frame: PageFrameNumber) {
    forEachPlace(of: frame) { space, page in
      let cursor = tables.cursor(heap[space].root, at: page.address)
      guard case .leaf(let leaf) = cursor.entry, leaf.frame == frame else { return }
      guard leaf.isDirty || leaf.protection.contains(.write) else { return }
      cursor.writeProtect()
      _ = cursor.clearDirty()
      machine.flush(.page(page.address))
    }
  }

  /// Takes a frame out of every page table. Linux: `try_to_unmap()`.
  ///
  /// - Precondition: the caller holds a reference to it.
  public func unmapEverywhere(_ frame: PageFrameNumber) {
    if frames.table[frame].flags.contains(.memoryLocked) { unlockEverywhere(frame) }
    forEachPlace(of: frame) { space, page in
      let cursor = tables.cursor(heap[space].root, at: page.address)
      guard case .leaf(let leaf) = cursor.entry, leaf.frame == frame else { return }
      _ = cursor.take()
      machine.flush(.page(page.address))
      leave(frame, page: page, space: space)
    }
  }

  /// Lets go of the private pages of a space whose tasks are being killed, areas and tables aside.
  ///
  /// From then on a page that is missing there stays missing.
  ///
  /// - Context: the space is not the current one; its tasks never run in user mode again.
  ///
  /// Linux: `__oom_reap_task_mm()`.
  public func reap(_ space: Reference<AddressSpace>) {
    heap[space].isReaped = true
    var next = firstArea(of: space)
    while let area = next {
      if heap[area].isPrivate {
        unmapPages(of: space, from: heap[area].start, to: heap[area].end)
      }
      next = self.area(after: area)
    }
  }
}
