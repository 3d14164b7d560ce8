// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageFrames

/// /proc/zoneinfo, buddyinfo and pagetypeinfo, in the form of Linux 6.12 with one node.
extension FileSystems {
  /// Linux: `frag_show()`.
  func writeBuddyInformation(to writer: inout TextWriter<Environment>) {
    for index in 0..<ZoneKind.count {
      let kind = ZoneKind(index: index)
      guard frames.statistics(of: kind).managed > .zero else { continue }
      writer.put("Node 0, zone ")
      writer.put(zoneName(kind))
      writer.put(" ")
      for order in 0...Order.max.value {
        writer.put(UInt64(frames.freeBlockCount(Order(order), of: kind)), width: 6)
        writer.put(" ")
      }
      writer.put("\n")
    }
  }

  /// Linux: `pagetypeinfo_show()`.
  func writePageTypes(to writer: inout TextWriter<Environment>) {
    writer.put("Page block order: 9\nPages per block:  512\n\n")
    writer.put("Free pages count per migrate type at order  ")
    for order in 0...Order.max.value {
      writer.put(UInt64(order), width: 6)
      writer.put(" ")
    }
    writer.put("\n")
    for index in 0..<ZoneKind.count {
      let kind = ZoneKind(index: index)
      guard frames.statistics(of: kind).managed > .zero else { continue }
      for raw in 0..<UInt8(Mobility.count) { writeFreeBlocks(of: raw, kind, to: &writer) }
    }
    writer.put("\nNumber of blocks type  ")
    for raw in 0..<UInt8(Mobility.count) { writer.put(mobilityName(raw)) }
    writer.put("\n")
    for index in 0..<ZoneKind.count {
      let kind = ZoneKind(index: index)
      guard frames.statistics(of: kind).managed > .zero else { continue }
      writer.put("Node 0, zone ")
      writer.put(zoneName(kind))
      writer.put(" ")
      for raw in 0..<UInt8(Mobility.count) {
        let mobility = Mobility(rawValue: raw) ?? .unmovable
        writer.put(UInt64(frames.pageBlockCount(of: mobility, in: kind)), width: 12)
        writer.put(" ")
      }
      writer.put("\n")
    }
  }

  private func writeFreeBlocks(
    of raw: UInt8, _ kind: ZoneKind, to writer: inout TextWriter<Environment>
  ) {
    guard let mobility = Mobility(rawValue: raw) else { return }
    writer.put("Node    0, zone ")
    writer.put(zoneName(kind))
    writer.put(", type ")
    writer.put(mobilityName(raw))
    for order in 0...Order.max.value {
      let count = frames.freeBlockCount(Order(order), mobility, of: kind)
      writer.put(UInt64(count), width: 6)
      writer.put(" ")
    }
    writer.put("\n")
  }

  /// In twelve columns and one. Linux: `migratetype_names`.
  private func mobilityName(_ raw: UInt8) -> StaticString {
    switch Mobility(rawValue: raw) {
    case .unmovable: "   Unmovable "
    case .movable: "     Movable "
    case .reclaimable: " Reclaimable "
    case .highAtomic: "  HighAtomic "
    case .contiguous: "         CMA "
    case .isolated, nil: "     Isolate "
    }
  }

  /// Linux: `zoneinfo_show_print()`.
  func writeZones(to writer: inout TextWriter<Environment>) {
    let census = census()
    var isFirst = true
    for index in 0..<ZoneKind.count {
      let kind = ZoneKind(index: index)
      // There is no such zone where memory is mapped whole.
      guard kind != .highMemory || frames.statistics(of: kind).present > .zero else { continue }
      let zone = frames.statistics(of: kind)
      writer.put("Node 0, zone ")
      writer.put(zoneName(kind))
      if isFirst, zone.managed > .zero {
        isFirst = false
        writer.put("\n  per-node stats\n")
        writeNodeStatistics(census, indent: 6, to: &writer)
      } else {
        writer.put("\n")
      }
      writeZone(zone, to: &writer)
    }
    writeEmptyZone(" Movable", mark: 32, to: &writer)
    writeEmptyZone("  Device", mark: 0, to: &writer)
  }

  /// The zones of Linux that a machine of ours never has anything in.
  private func writeEmptyZone(
    _ name: StaticString, mark count: Int, to writer: inout TextWriter<Environment>
  ) {
    let minimum = PageCount(count)
    writer.put("Node 0, zone ")
    writer.put(name)
    writer.put("\n  pages free     0\n        boost    0")
    mark("\n        min      ", minimum, &writer)
    mark("\n        low      ", minimum, &writer)
    mark("\n        high     ", minimum, &writer)
    mark("\n        promo    ", minimum, &writer)
    writer.put("\n        spanned  0\n        present  0\n        managed  0\n        cma      0")
    writer.put("\n        protection: (0, 0, 0, 0, 0)\n")
  }

  private func writeZone(_ zone: ZoneStatistics, to writer: inout TextWriter<Environment>) {
    writer.put("  pages free     ")
    writer.put(UInt64(zone.free.value))
    mark("\n        boost    ", zone.boost, &writer)
    mark("\n        min      ", zone.watermarks.minimum + zone.boost, &writer)
    mark("\n        low      ", zone.watermarks.low + zone.boost, &writer)
    mark("\n        high     ", zone.watermarks.high + zone.boost, &writer)
    mark("\n        promo    ", zone.watermarks.promotion + zone.boost, &writer)
    mark("\n        spanned  ", zone.spanned, &writer)
    mark("\n        present  ", zone.present, &writer)
    mark("\n        managed  ", zone.managed, &writer)
    mark("\n        cma      ", frames.contiguousPageCount(of: zone.kind), &writer)
    writer.put("\n        protection: (")
    for other in 0..<ZoneKind.count {
      let limit = ZoneKind(index: other)
      guard limit != .highMemory else { continue }
      if other > 0 { writer.put(", ") }
      writer.put(UInt64(zone.reserves[limit]))
    }
    // Linux's last zones, of movable memory and of devices, protect nothing more.
    for _ in 0..<2 {
      writer.put(", ")
      writer.put(UInt64(zone.reserves[.normal]))
    }
    writer.put(")\n")
    guard zone.managed > .zero else { return }
    writeZoneCounters(zone, to: &writer)
    writer.put("  pagesets\n    cpu: 0\n              count: ")
    writer.put(UInt64(zone.cached.value))
    writer.put("\n              high:  ")
    writer.put(UInt64(zone.cpuHigh))
    writer.put("\n              batch: ")
    writer.put(UInt64(zone.cpuBatch))
    writer.put("\n  vm stats threshold: ")
    writer.put(UInt64(statisticsThreshold(zone.managed)))
    writer.put("\n  node_unreclaimable:  0\n  start_pfn:           ")
    writer.put(UInt64(zone.first.value))
    writer.put("\n")
  }

  private func writeZoneCounters(
    _ zone: ZoneStatistics, to writer: inout TextWriter<Environment>
  ) {
    let census = census(of: zone.kind)
    node("nr_free_pages", zone.free.value, 6, &writer)
    node("nr_zone_inactive_anon", 0, 6, &writer)
    node("nr_zone_active_anon", census.evictableAnonymous.value, 6, &writer)
    node("nr_zone_inactive_file", census.evictableFile.value, 6, &writer)
    node("nr_zone_active_file", 0, 6, &writer)
    node("nr_zone_unevictable", census.unevictable.value, 6, &writer)
    node("nr_zone_write_pending", census.dirty.value + census.writeback.value, 6, &writer)
    node("nr_mlock", census.memoryLocked.value, 6, &writer)
    node("nr_bounce", 0, 6, &writer)
    node("nr_free_cma", zone.freeContiguous.value, 6, &writer)
  }

  /// Linux: `calculate_normal_threshold()`, for one CPU.
  private func statisticsThreshold(_ managed: PageCount) -> Int {
    let eighths = managed.value >> (27 - 12)
    return min(125, 2 * (1 + (Int.bitWidth - eighths.leadingZeroBitCount)))
  }

  private func mark(
    _ name: StaticString, _ count: PageCount, _ writer: inout TextWriter<Environment>
  ) {
    writer.put(name)
    writer.put(UInt64(count.value))
  }

  private func zoneName(_ kind: ZoneKind) -> StaticString {
    switch kind {
    case .dma: "     DMA"
    case .dma32: "   DMA32"
    case .normal: "  Normal"
    case .highMemory: " HighMem"
    }
  }
}
