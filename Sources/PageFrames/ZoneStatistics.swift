// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryUnits

/// One zone in numbers, as /proc/zoneinfo shows it.
public struct ZoneStatistics: Sendable, BitwiseCopyable {
  public let kind: ZoneKind
  /// Linux: `start_pfn`.
  public let first: PageFrameNumber
  /// From the first to the last frame, holes included.
  public let spanned: PageCount
  /// RAM, boot tables and the kernel included.
  public let present: PageCount
  /// What the page allocator was given.
  public let managed: PageCount
  /// In the zone's lists; those in the CPUs' lists are not counted. Linux: `nr_free_pages`.
  public let free: PageCount
  /// In the CPUs' lists. Linux: the sum of `count` over `pagesets`.
  public let cached: PageCount
  /// As the zone's size has them, without the boost.
  public let watermarks: Watermarks
  /// What every mark is higher by just now. Linux: `boost`.
  public let boost: PageCount
  /// The frames of page blocks that are kept for who cannot wait. Linux: `reserved_highatomic`.
  public let highAtomic: PageCount
  /// In the zone's lists, of contiguous areas. Linux: `nr_free_cma`.
  public let freeContiguous: PageCount
  /// Frames ever allocated and, those of the boot included, freed. Linux: `PGALLOC`, `PGFREE`.
  public let allocatedCount: UInt64
  public let freedCount: UInt64
  /// By the highest zone a request may use. Linux: `protection`.
  public let reserves: PerZone
  /// Linux: `batch` and `high` of `pagesets`.
  public let cpuBatch: Int
  public let cpuHigh: Int
}

extension PageFrames {
  /// Linux: `zoneinfo_show_print()`.
  public func statistics(of kind: ZoneKind) -> ZoneStatistics {
    let zone = state.value.zones[kind.index]
    var (cached, batch, high) = (0, 0, 0)
    var allocated: UInt64 = 0
    for cpu in 0..<state.value.cpuCount {
      state.value.cpus[cpu].withLock { (lists: inout CPUFrameLists) in
        allocated &+= lists.zones[kind.index].takenCount
        cached += Int(lists.zones[kind.index].frameCount)
        batch = Int(lists.zones[kind.index].batch)
        high = Int(lists.zones[kind.index].high)
      }
    }
    let (counts, highAtomic, taken, placed, isolated) = zone.lists.withLock {
      (lists: inout BuddyLists) in
      (
        lists.counts, lists.highAtomicPageCount, lists.takenCount, lists.placedCount,
        lists.isolatedCount
      )
    }
    allocated &+= taken
    // What was freed is what has been taken since, and what has not.
    let free = UInt64(counts.total.value + isolated.value + cached)
    let freed = allocated &+ placed &+ free
    return ZoneStatistics(
      kind: kind, first: zone.first,
      spanned: zone.present.value == 0 ? .zero : zone.end - zone.first, present: zone.present,
      managed: zone.managed, free: counts.total, cached: PageCount(cached),
      watermarks: zone.watermarks, boost: counts.boost, highAtomic: highAtomic,
      freeContiguous: counts.contiguous, allocatedCount: allocated, freedCount: freed,
      reserves: zone.reserves, cpuBatch: batch,
      cpuHigh: high)
  }

  /// The free blocks of an order, as /proc/buddyinfo shows them.
  ///
  /// - Complexity: O(n), with the zone locked.
  public func freeBlockCount(_ order: Order, of kind: ZoneKind) -> Int {
    state.value.zones[kind.index].lists.withLock { (lists: inout BuddyLists) in
      lists.blockCount(order, in: table)
    }
  }

  /// The free blocks of an order and a mobility, as /proc/pagetypeinfo shows them.
  ///
  /// - Complexity: O(n), with the zone locked.
  public func freeBlockCount(_ order: Order, _ mobility: Mobility, of kind: ZoneKind) -> Int {
    state.value.zones[kind.index].lists.withLock { (lists: inout BuddyLists) in
      lists.blockCount(order, mobility, in: table)
    }
  }

  /// The page blocks of a mobility, as /proc/pagetypeinfo counts them.
  ///
  /// - Complexity: O(page blocks).
  public func pageBlockCount(of mobility: Mobility, in kind: ZoneKind) -> Int {
    let zone = state.value.zones[kind.index]
    var frame = zone.first
    var count = 0
    while frame < zone.end {
      if state.value.pageBlocks.mobility(of: frame) == mobility { count += 1 }
      frame = PageFrameNumber((frame.value | UInt32(PageBlocks.frameCount - 1)) &+ 1)
    }
    return count
  }

  /// The frames in one zone's lists.
  public func freePageCount(of kind: ZoneKind) -> PageCount {
    state.value.zones[kind.index].lists.withLock { (lists: inout BuddyLists) in
      lists.freePageCount
    }
  }

  /// The frames in the lists of all zones; those in the CPUs' lists are not counted.
  ///
  /// Linux: `MemFree`, `global_zone_page_state(NR_FREE_PAGES)`.
  public var freePageCount: PageCount {
    var total = PageCount.zero
    for index in 0..<ZoneKind.count { total += freePageCount(of: ZoneKind(bits: UInt16(index))) }
    return total
  }

  /// The frames in the CPUs' lists, free too.
  public var cachedPageCount: PageCount {
    var total = 0
    for cpu in 0..<state.value.cpuCount {
      state.value.cpus[cpu].withLock { (lists: inout CPUFrameLists) in
        for zone in 0..<ZoneKind.count { total += Int(lists.zones[zone].frameCount) }
      }
    }
    return PageCount(total)
  }

  /// The frames that the page allocator was given. Linux: `MemTotal`, `totalram_pages()`.
  public var managedPageCount: PageCount {
    var total = PageCount.zero
    for index in 0..<ZoneKind.count { total += state.value.zones[index].managed }
    return total
  }

  /// What programs cannot count on. Linux: `totalreserve_pages`.
  public var totalReserve: PageCount {
    state.value.policy.totalReserve(minimumFreeKibibytes: state.value.minimumFreeKibibytes)
  }

  /// The sum of the low marks, for `MemAvailable`. Linux: `wmark_low` in `si_mem_available()`.
  public var lowMarkPageCount: PageCount {
    var total = PageCount.zero
    for index in 0..<ZoneKind.count { total += state.value.zones[index].watermarks.low }
    return total
  }

  /// Linux: `vm.min_free_kbytes`.
  public var minimumFreeKibibytes: Int { state.value.minimumFreeKibibytes }

  /// Whether a zone that a request may use has more free frames than its low mark.
  ///
  /// Linux: the fast path's check, below which `wakeup_kswapd()` is called.
  public func isAboveLowMark(_ limit: ZoneKind) -> Bool {
    for index in 0...limit.index {
      let kind = ZoneKind(bits: UInt16(index))
      let zone = state.value.zones[index]
      let needed = zone.watermarks.low.value + zone.reserves[limit] + boost(of: kind).value
      if zone.managed.value > 0 && freePageCount(of: kind).value > needed { return true }
    }
    return false
  }
}
