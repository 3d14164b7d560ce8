// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames

/// A line of /proc/slabinfo.
public struct CacheStatistics {
  public let name: StaticString
  /// All objects less those that are free in partial slabs; so those at hand of a CPU count.
  public let activeObjectCount: Int
  public let objectCount: Int
  public let objectByteCount: ByteCount
  public let objectsPerSlab: Int
  public let pagesPerSlab: PageCount
  public let slabCount: Int
  /// The pages of all slabs, smaller ones too.
  public let pageCount: PageCount
  /// The free objects in CPUs' lists.
  public let cachedObjectCount: Int

  /// Those that callers have.
  public var liveObjectCount: Int { activeObjectCount - cachedObjectCount }
}

extension ObjectHeap {
  /// The caches that there may be.
  public var cacheCount: Int { SlabCaches.count }

  /// What /proc/slabinfo says about a cache, nil before its first allocation.
  ///
  /// Linux: `get_slabinfo()`.
  ///
  /// - Parameter cacheIndex: below `SlabCaches.count`.
  public func statistics(_ cacheIndex: Int) -> CacheStatistics? {
    var cached = 0
    for cpu in 0..<cpuCount {
      let list = lists[cpu * SlabCaches.count + cacheIndex]
      cached += Int(list.count + list.spareCount)
    }
    return caches[cacheIndex].withLock { (cache: inout SlabCache) -> CacheStatistics? in
      guard let geometry = cache.geometry else { return nil }
      return CacheStatistics(
        name: cache.name, activeObjectCount: cache.objectCount - cache.freeCount,
        objectCount: cache.objectCount,
        objectByteCount: ByteCount(UInt64(geometry.objectByteCount)),
        objectsPerSlab: geometry.objectsPerSlab, pagesPerSlab: geometry.order.pageCount,
        slabCount: cache.slabCount, pageCount: cache.pageCount, cachedObjectCount: cached)
    }
  }

  /// The pages of all slabs. Linux: `NR_SLAB_UNRECLAIMABLE_B`.
  public var pageCount: PageCount {
    var total = PageCount.zero
    for index in 0..<SlabCaches.count {
      total += caches[index].withLock { (cache: inout SlabCache) in cache.pageCount }
    }
    return total
  }

  /// Traps unless lists, counts and slabs of all caches agree.
  ///
  /// - Context: no other CPU is in the heap.
  public func checkInvariants() {
    for index in 0..<SlabCaches.count { checkInvariants(index) }
  }

  private func checkInvariants(_ cacheIndex: Int) {
    caches[cacheIndex].withLock { (cache: inout SlabCache) in
      guard let geometry = cache.geometry else { return }
      cache.partial.checkInvariants(in: links)
      var free = 0
      var next = cache.partial.first
      while let slab = next {
        next = links.next(of: slab)
        free += checkSlab(slab, cacheIndex, geometry)
      }
      precondition(free == cache.freeCount, "free objects are counted wrongly")
      for cpu in 0..<cpuCount {
        let list = lists[cpu * SlabCaches.count + cacheIndex]
        let size = geometry.objectByteCount
        precondition(length(from: list.first, size) == Int(list.count), "a list's length")
        precondition(length(from: list.spareFirst, size) == Int(list.spareCount), "a spare list")
      }
    }
  }

  /// The number of a partial slab's free objects.
  private func checkSlab(
    _ slab: PageFrameNumber, _ cacheIndex: Int, _ geometry: SlabGeometry
  ) -> Int {
    let word = SlabWord(raw: frames.table[slab].privateWord)
    precondition(frames.table[slab].kind == .slab, "a slab's frame is something else")
    precondition(word.cacheIndex == cacheIndex, "a slab of another cache")
    let total = geometry.objectCount(frames.table[slab].order)
    var free = 0
    var object = word.firstFree(in: slab)
    while object != 0 {
      precondition(links.slab(of: object).first == slab, "a free object of another slab")
      free += 1
      precondition(free <= total, "a free list in a circle")
      object = freeLink(of: object, geometry.objectByteCount)
    }
    precondition(free > 0 && free == total - word.inUse, "a slab counts wrongly")
    return free
  }

  private func length(from first: UInt32, _ size: Int) -> Int {
    var length = 0
    var object = first
    while object != 0 {
      length += 1
      object = freeLink(of: object, size)
    }
    return length
  }
}
