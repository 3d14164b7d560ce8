// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures
import KernelHeap
import MemoryUnits
import PageTableFormats

extension AddressSpaces {
  var areaLinks: AreaLinks<Environment.Hardware> { AreaLinks(heap: heap) }
  var mappingLinks: MappingLinks<Environment.Hardware> { MappingLinks(heap: heap) }
  var regionLinks: RegionLinks<Environment.Hardware> { RegionLinks(heap: heap) }

  /// Free pages that stay below a stack. Linux: `stack_guard_gap`.
  static var stackGuard: PageCount { PageCount(256) }

  /// The area that holds a page. Linux: `vma_lookup()`.
  ///
  /// - Complexity: O(1) for the area that was found last, O(log areas) otherwise.
  func area(in space: Reference<AddressSpace>, at page: PageNumber) -> Reference<Area>? {
    if let last = heap[space].lastFound.reference, heap[last].contains(page) { return last }
    let found = heap[space].areas.find(in: areaLinks) { area in
      if page < heap[area].start { return .left }
      return page < heap[area].end ? .here : .right
    }
    if let found { heap[space].lastFound = Link(found) }
    return found
  }

  /// The first area that ends behind a page: the one that holds it, or the next.
  ///
  /// Linux: `find_vma()`.
  func firstArea(
    in space: Reference<AddressSpace>, endingAfter page: PageNumber
  ) -> Reference<Area>? {
    heap[space].areas.first(in: areaLinks) { page < heap[$0].end }
  }

  func firstArea(of space: Reference<AddressSpace>) -> Reference<Area>? {
    heap[space].areas.first(in: areaLinks)
  }

  func area(after area: Reference<Area>) -> Reference<Area>? {
    heap[heap[area].space].areas.next(after: area, in: areaLinks)
  }

  func area(before area: Reference<Area>) -> Reference<Area>? {
    heap[heap[area].space].areas.previous(before: area, in: areaLinks)
  }

  /// Enters an area in its space.
  ///
  /// - Precondition: it overlaps none.
  func insert(_ area: Reference<Area>, into space: Reference<AddressSpace>) {
    let start = heap[area].start
    let place = heap[space].areas.place(in: areaLinks) { start < heap[$0].start }
    heap[area].gaps = Gaps()
    heap[area].gaps.before = gap(before: area, behind: place.lower)
    if let upper = place.upper { heap[upper].gaps.before = gap(before: upper, behind: area) }
    heap[space].areas.insert(area, at: place, in: areaLinks)
    heap[space].areaCount += 1
  }

  /// Enters an area that begins where another ends and was a part of it, so that no gap changes.
  func insert(_ area: Reference<Area>, behind lower: Reference<Area>) {
    let space = heap[lower].space
    heap[area].gaps = Gaps()
    heap[space].areas.insert(area, after: lower, in: areaLinks)
    heap[space].areaCount += 1
  }

  /// Takes an area out whose pages a neighbour has taken over.
  func removeCovered(_ area: Reference<Area>) {
    let space = heap[area].space
    if heap[space].lastFound.reference == area { heap[space].lastFound = Link(nil) }
    heap[space].areas.remove(area, in: areaLinks)
    heap[space].areaCount -= 1
  }

  func remove(_ area: Reference<Area>, from space: Reference<AddressSpace>) {
    let next = self.area(after: area)
    if let next {
      heap[next].gaps.before = gap(before: next, behind: self.area(before: area))
    }
    if heap[space].lastFound.reference == area { heap[space].lastFound = Link(nil) }
    heap[space].areas.remove(area, changed: next, in: areaLinks)
    heap[space].areaCount -= 1
  }

  /// Computes the gaps below an area and below the next anew.
  func updateGaps(around area: Reference<Area>) {
    updateGap(before: area)
    if let next = self.area(after: area) { updateGap(before: next) }
  }

  func updateGap(before area: Reference<Area>) {
    let free = gap(before: area, behind: self.area(before: area))
    if heap[area].gaps.before == free { return }
    heap[area].gaps.before = free
    heap[heap[area].space].areas.refresh(area, in: areaLinks)
  }

  /// The free pages between an area and the one before it, the stack's guard left out.
  private func gap(before area: Reference<Area>, behind lower: Reference<Area>?) -> UInt64 {
    let below = lower.map { heap[$0].end.value } ?? Self.lowestPage.value
    var free = heap[area].start.value - min(below, heap[area].start.value)
    if heap[area].attributes.contains(.growsDown) {
      free -= min(free, UInt64(Self.stackGuard.value))
    }
    return free
  }

  /// The highest free run of pages below the space's ceiling, or else above it.
  ///
  /// - Throws: `outOfMemory` if no run is long enough.
  /// - Complexity: O(log areas), as the tree remembers the largest gap below each node.
  ///
  /// Linux: `unmapped_area_topdown()`.
  func findRoom(
    for count: PageCount, in space: Reference<AddressSpace>
  ) throws(MemoryError) -> PageRange {
    let needed = UInt64(count.value)
    let ceiling = heap[space].mapCeiling.page.value
    if let range = roomAbove(lastAreaBelow(ceiling, in: space), needed, ceiling) { return range }
    if let range = highestGap(needed, below: ceiling, in: space) { return range }
    let last = heap[space].areas.last(in: areaLinks)
    if let range = roomAbove(last, needed, userEnd.value) { return range }
    if let range = highestGap(needed, below: userEnd.value, in: space) { return range }
    throw .outOfMemory
  }

  /// The run between the area that begins last below a limit and that limit.
  private func roomAbove(
    _ area: Reference<Area>?, _ needed: UInt64, _ limit: UInt64
  ) -> PageRange? {
    let below = area.map { heap[$0].end.value } ?? Self.lowestPage.value
    var top = limit
    if let area, let next = self.area(after: area), heap[next].attributes.contains(.growsDown) {
      let start = heap[next].start.value
      top = min(top, start - min(start, UInt64(Self.stackGuard.value)))
    }
    guard below <= top, top - below >= needed else { return nil }
    return PageRange(start: PageNumber(top - needed), end: PageNumber(top))
  }

  private func lastAreaBelow(
    _ limit: UInt64, in space: Reference<AddressSpace>
  ) -> Reference<Area>? {
    heap[space].areas.last(in: areaLinks) { heap[$0].start.value < limit }
  }

  /// The highest gap that is large enough and directly below an area that begins below a limit.
  private func highestGap(
    _ needed: UInt64, below limit: UInt64, in space: Reference<AddressSpace>
  ) -> PageRange? {
    guard let root = heap[space].areas.root else { return nil }
    return highestGap(needed, under: root, limit)
  }

  private func highestGap(
    _ needed: UInt64, under top: Reference<Area>, _ limit: UInt64
  ) -> PageRange? {
    var next: Reference<Area>? = top
    while let node = next, heap[node].gaps.largest >= needed {
      if heap[node].start.value < limit {
        if let right = heap[node].hook.right.reference, heap[right].gaps.largest >= needed,
          let range = highestGap(needed, under: right, limit)
        {
          return range
        }
        if let range = gapRange(below: node, needed) { return range }
      }
      next = heap[node].hook.left.reference
    }
    return nil
  }

  private func gapRange(below area: Reference<Area>, _ needed: UInt64) -> PageRange? {
    guard heap[area].gaps.before >= needed else { return nil }
    var end = heap[area].start.value
    if heap[area].attributes.contains(.growsDown) { end -= UInt64(Self.stackGuard.value) }
    return PageRange(start: PageNumber(end - needed), end: PageNumber(end))
  }

  // The trees of the reverse map

  func insertMapping(_ area: Reference<Area>, of file: Reference<CachedFile>) {
    heap[file].mappings.insert(area, in: mappingLinks)
  }

  func removeMapping(_ area: Reference<Area>, of file: Reference<CachedFile>) {
    heap[file].mappings.remove(area, in: mappingLinks)
  }

  func insert(
    _ link: Reference<AnonymousRegionLink>, into region: Reference<AnonymousRegion>
  ) {
    heap[region].links.insert(link, in: regionLinks)
  }

  func remove(
    _ link: Reference<AnonymousRegionLink>, from region: Reference<AnonymousRegion>
  ) {
    heap[region].links.remove(link, in: regionLinks)
  }
}
