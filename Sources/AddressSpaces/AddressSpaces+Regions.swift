// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures
import KernelHeap
import MemoryUnits
import PageFrames
import PageTableFormats

/// The reverse map of private pages: which areas may map a frame.
///
/// Linux: `mm/rmap.c`.
extension AddressSpaces {
  /// The region in which new private pages of an area are entered, made on first use.
  ///
  /// A neighbour's region is taken over where the two areas may merge later.
  ///
  /// - Context: may reclaim; does not sleep. Linux: `__anon_vma_prepare()`.
  func ensureRegion(
    of area: Reference<Area>
  ) throws(MemoryError) -> Reference<AnonymousRegion> {
    if let region = heap[area].region.reference { return region }
    let region: Reference<AnonymousRegion>
    if let shared = neighboursRegion(of: area) {
      region = shared
    } else {
      region = try allocate(AnonymousRegion())
    }
    do {
      try link(area, to: region)
    } catch {
      if heap[region].linkCount == 0 { heap.free(region) }
      throw error
    }
    heap[area].region = Link(region)
    heap[region].activeAreaCount += 1
    return region
  }

  private func neighboursRegion(of area: Reference<Area>) -> Reference<AnonymousRegion>? {
    mergeableRegion(self.area(before: area), area) ?? mergeableRegion(self.area(after: area), area)
  }

  private func mergeableRegion(
    _ neighbour: Reference<Area>?, _ area: Reference<Area>
  ) -> Reference<AnonymousRegion>? {
    guard let neighbour, couldMerge(neighbour, area), hasSingleRegion(neighbour) else {
      return nil
    }
    return heap[neighbour].region.reference
  }

  /// Whether an area's pages can only be in its own region. Linux: `list_is_singular()`.
  func hasSingleRegion(_ area: Reference<Area>) -> Bool {
    guard let first = heap[area].firstRegionLink.reference else { return true }
    return heap[first].nextOfArea.reference == nil
  }

  /// Enters an area in a region's tree.
  func link(
    _ area: Reference<Area>, to region: Reference<AnonymousRegion>
  ) throws(MemoryError) {
    let link = try allocate(
      AnonymousRegionLink(
        area: area, region: region, first: heap[area].fileIndex, last: heap[area].lastIndex))
    heap[link].nextOfArea = heap[area].firstRegionLink
    heap[area].firstRegionLink = Link(link)
    heap[region].linkCount += 1
    insert(link, into: region)
  }

  /// Gives an area the regions of another, for a split or a fork. Linux: `anon_vma_clone()`.
  ///
  /// - Throws: `outOfMemory`; the area then has none.
  func copyRegions(
    of source: Reference<Area>, to area: Reference<Area>
  ) throws(MemoryError) {
    var next = heap[source].firstRegionLink.reference
    while let link = next {
      do {
        try self.link(area, to: heap[link].region)
      } catch {
        unlinkRegions(of: area)
        throw error
      }
      next = heap[link].nextOfArea.reference
    }
  }

  /// Gives a forked area the regions of its origin, and one of its own for the pages to come.
  ///
  /// An ancestor's region that no area uses any more, and that has one child at most, serves
  /// instead of a new one, so that a chain of forks does not grow. Linux: `anon_vma_fork()`.
  func forkRegions(
    of source: Reference<Area>, to area: Reference<Area>
  ) throws(MemoryError) {
    guard let parent = heap[source].region.reference else { return }
    try copyRegions(of: source, to: area)
    if let reusable = reusableRegion(of: area) {
      heap[area].region = Link(reusable)
      heap[reusable].activeAreaCount += 1
      return
    }
    do {
      try linkToNewRegion(area, below: parent)
    } catch {
      unlinkRegions(of: area)
      throw error
    }
  }

  private func linkToNewRegion(
    _ area: Reference<Area>, below parent: Reference<AnonymousRegion>
  ) throws(MemoryError) {
    let own = try allocate(AnonymousRegion())
    do {
      try link(area, to: own)
    } catch {
      heap.free(own)
      throw error
    }
    heap[own].parent = Link(parent)
    heap[own].activeAreaCount = 1
    heap[parent].childCount += 1
    heap[area].region = Link(own)
  }

  private func reusableRegion(of area: Reference<Area>) -> Reference<AnonymousRegion>? {
    var next = heap[area].firstRegionLink.reference
    while let link = next {
      let region = heap[link].region
      if heap[region].activeAreaCount == 0, heap[region].childCount <= 1 { return region }
      next = heap[link].nextOfArea.reference
    }
    return nil
  }

  /// Takes an area out of all its regions; a region that loses its last link ends.
  ///
  /// - Precondition: no page of the area is mapped. Linux: `unlink_anon_vmas()`.
  func unlinkRegions(of area: Reference<Area>) {
    if let region = heap[area].region.reference {
      heap[region].activeAreaCount -= 1
      heap[area].region = Link(nil)
    }
    while let link = heap[area].firstRegionLink.reference {
      heap[area].firstRegionLink = heap[link].nextOfArea
      let region = heap[link].region
      remove(link, from: region)
      heap.free(link)
      heap[region].linkCount -= 1
      endIfUnused(region)
    }
  }

  /// Frees a region that has neither links nor children, and then perhaps its parent.
  private func endIfUnused(_ first: Reference<AnonymousRegion>) {
    var next: Reference<AnonymousRegion>? = first
    while let region = next, heap[region].linkCount == 0, heap[region].childCount == 0 {
      next = heap[region].parent.reference
      if let parent = next { heap[parent].childCount -= 1 }
      heap.free(region)
    }
  }

  /// Changes where an area ends; its place in every tree stays.
  func setEnd(of area: Reference<Area>, to end: PageNumber) {
    heap[area].end = end
    noteEnd(of: area)
  }

  /// Tells the trees of the reverse map that an area ends elsewhere.
  func noteEnd(of area: Reference<Area>) {
    if let file = heap[area].file.reference {
      heap[file].mappings.refresh(area, in: mappingLinks)
    }
    let last = heap[area].lastIndex
    var next = heap[area].firstRegionLink.reference
    while let link = next {
      heap[link].last = last
      heap[heap[link].region].links.refresh(link, in: regionLinks)
      next = heap[link].nextOfArea.reference
    }
  }

  /// Takes an area out of the trees that are ordered by its range, so that it may change.
  ///
  /// Linux: `vma_prepare()`.
  func unindex(_ area: Reference<Area>) {
    if let file = heap[area].file.reference { removeMapping(area, of: file) }
    var next = heap[area].firstRegionLink.reference
    while let link = next {
      remove(link, from: heap[link].region)
      next = heap[link].nextOfArea.reference
    }
  }

  /// Enters a changed area again. Linux: `vma_complete()`.
  func reindex(_ area: Reference<Area>) {
    if let file = heap[area].file.reference { insertMapping(area, of: file) }
    var next = heap[area].firstRegionLink.reference
    while let link = next {
      heap[link].first = heap[area].fileIndex
      heap[link].last = heap[area].lastIndex
      insert(link, into: heap[link].region)
      next = heap[link].nextOfArea.reference
    }
  }
}
