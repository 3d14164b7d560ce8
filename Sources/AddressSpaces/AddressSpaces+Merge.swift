// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import MemoryUnits
import PageTableFormats

extension AddressSpaces {
  /// Whether two areas differ in nothing but their place. Linux: `is_mergeable_vma()`.
  func isAlike(_ one: Area, _ other: Area) -> Bool {
    one.protection == other.protection && one.maximumProtection == other.maximumProtection
      && one.attributes == other.attributes && one.file == other.file
      && !one.attributes.contains(.growsDown)
  }

  /// Whether two neighbours could become one, their regions aside.
  func couldMerge(_ one: Reference<Area>, _ other: Reference<Area>) -> Bool {
    let (lower, upper) = heap[one].start < heap[other].start ? (one, other) : (other, one)
    return heap[lower].end == heap[upper].start && isAlike(heap[lower], heap[upper])
      && heap[lower].index(of: heap[upper].start) == heap[upper].fileIndex
  }

  /// Makes one area of this one and the next, if they are alike; returns what covers both.
  ///
  /// Linux: `vma_merge()`.
  @discardableResult
  func mergedWithNext(_ area: Reference<Area>) -> Reference<Area> {
    guard let next = self.area(after: area), couldMerge(area, next),
      haveOneRegion(area, next)
    else { return area }
    if heap[area].region.reference == nil, heap[next].region.reference != nil {
      // The one with a region stays: its links are extended downwards.
      resize(next, start: heap[area].start, end: heap[next].end)
      absorb(area)
      return next
    }
    // Before the other goes, so that no gap opens between the two for a moment, which the tree
    // would remember up to its root.
    resize(area, start: heap[area].start, end: heap[next].end)
    absorb(next)
    return area
  }

  /// Linux: `is_mergeable_anon_vma()`.
  private func haveOneRegion(_ one: Reference<Area>, _ other: Reference<Area>) -> Bool {
    let first = heap[one].region.reference
    let second = heap[other].region.reference
    guard let first, let second else {
      return hasSingleRegion(one) && hasSingleRegion(other)
    }
    return first == second && hasSingleRegion(one) && hasSingleRegion(other)
  }

  /// Takes an area out without touching its pages, which its neighbour is about to cover.
  private func absorb(_ area: Reference<Area>) {
    remove(area, from: heap[area].space)
    if let file = heap[area].file.reference {
      removeMapping(area, of: file)
      heap[file].users -= 1
    }
    unlinkRegions(of: area)
    heap.free(area)
  }

  /// Merges what can be merged at and around a range that has just changed.
  func mergeAround(_ range: PageRange, in space: Reference<AddressSpace>) {
    let from = range.start.value > 0 ? PageNumber(range.start.value - 1) : range.start
    guard var area = firstArea(in: space, endingAfter: from) else { return }
    while heap[area].start <= range.end {
      let merged = mergedWithNext(area)
      if merged == area {
        guard let next = self.area(after: area) else { return }
        if heap[next].start > range.end { return }
        area = next
      } else {
        area = merged
      }
    }
  }
}
