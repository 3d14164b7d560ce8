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

  /// Makes one area of this one and the next, if they are alike; returns what covers this one.
  @discardableResult
  func mergedWithNext(_ area: Reference<Area>) -> Reference<Area> {
    guard let next = self.area(after: area), let merged = merged(area, next) else { return area }
    noteEnd(of: merged)
    return merged
  }

  /// Makes one area of two neighbours, if they are alike; returns what covers both, for
  /// `noteEnd` to be told of.
  ///
  /// Linux: `vma_merge()`.
  private func merged(_ area: Reference<Area>, _ next: Reference<Area>) -> Reference<Area>? {
    guard couldMerge(area, next), haveOneRegion(area, next) else { return nil }
    if heap[area].region.reference == nil, heap[next].region.reference != nil {
      // The one with a region stays: its links are extended downwards.
      resize(next, start: heap[area].start, end: heap[next].end)
      absorb(area)
      updateGap(before: next)
      return next
    }
    // The gap behind the two stays as it was.
    heap[area].end = heap[next].end
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

  /// Takes an area out without touching its pages, which its neighbour covers now.
  private func absorb(_ area: Reference<Area>) {
    removeCovered(area)
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
    var grown: Reference<Area>?
    while heap[area].end <= range.end, let next = self.area(after: area) {
      if let merged = merged(area, next) {
        grown = merged
        area = merged
      } else {
        if let grown { noteEnd(of: grown) }
        grown = nil
        area = next
      }
    }
    if let grown { noteEnd(of: grown) }
  }
}
