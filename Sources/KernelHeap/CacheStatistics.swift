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
  /// The free objects in CPUs' lists or arrays, and in the depot.
  public let cachedObjectCount: Int
  /// The slabs with an object in use, as far as empty ones are kept apart.
  public let activeSlabCount: Int
  /// What a CPU keeps at most, and what it moves at a time; 0 where nobody tunes that.
  public let tunables: (limit: Int, batchCount: Int)

  /// Those that callers have.
  public var liveObjectCount: Int { activeObjectCount - cachedObjectCount }
}

extension SlabCache {
  /// How slabs are cut, nil before the first allocation.
  var shape: (objectByteCount: Int, objectsPerSlab: Int, order: Order)? {
    if let geometry {
      return (geometry.objectByteCount, geometry.objectsPerSlab, geometry.order)
    }
    return arrays.map { ($0.objectByteCount, $0.objectsPerSlab, $0.order) }
  }
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
    var live: UInt32 = 0
    for cpu in 0..<cpuCount {
      let index = cpu * SlabCaches.count + cacheIndex
      cached += Int(lists[index].count + lists[index].spareCount)
      live &+= lists[index].liveCount
      if design == .slab { cached += Int(arrays[index * ObjectArray.stride]) }
    }
    if design == .slob { return live == 0 ? nil : unitStatistics(Int(live)) }
    return caches[cacheIndex].withLock { (cache: inout SlabCache) -> CacheStatistics? in
      guard let shape = cache.shape else { return nil }
      let kept = cache.depotCount * Int(cache.geometry?.cpuListLimit ?? 0)
      return CacheStatistics(
        name: cache.name, activeObjectCount: cache.objectCount - cache.freeCount,
        objectCount: cache.objectCount,
        objectByteCount: ByteCount(UInt64(shape.objectByteCount)),
        objectsPerSlab: shape.objectsPerSlab, pagesPerSlab: shape.order.pageCount,
        slabCount: cache.slabCount, pageCount: cache.pageCount, cachedObjectCount: cached + kept,
        activeSlabCount: cache.slabCount - cache.empty.count,
        tunables: (cache.arrays?.limit ?? 0, cache.arrays?.batchCount ?? 0))
    }
  }

  /// Where memory is cut as requests come, a cache is known by its number of objects alone.
  private func unitStatistics(_ liveCount: Int) -> CacheStatistics {
    CacheStatistics(
      name: "", activeObjectCount: liveCount, objectCount: liveCount, objectByteCount: .zero,
      objectsPerSlab: 0, pagesPerSlab: .zero, slabCount: 0, pageCount: .zero,
      cachedObjectCount: 0, activeSlabCount: 0, tunables: (0, 0))
  }

  /// The pages that free objects would give back: those that wait in depots, and empty slabs.
  public var idlePageCount: PageCount {
    var total = ByteCount(UInt64(max(state.value.idleByteCount.value, 0))).pagesRoundedUp
    for index in 0..<SlabCaches.count {
      total += caches[index].withLock { (cache: inout SlabCache) -> PageCount in
        PageCount(cache.empty.count * (cache.arrays?.order.pageCount.value ?? 0))
      }
    }
    return total
  }

  /// The pages of all slabs. Linux: `NR_SLAB_UNRECLAIMABLE_B`.
  public var pageCount: PageCount {
    var total = state.value.units.withLock { (lists: inout UnitLists) in lists.pageCount }
    for index in 0..<SlabCaches.count {
      total += caches[index].withLock { (cache: inout SlabCache) in cache.pageCount }
    }
    return total
  }
}
