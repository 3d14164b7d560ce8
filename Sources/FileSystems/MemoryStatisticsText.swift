// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageFrames

/// /proc/vmstat, in the order of Linux 6.12.
///
/// Lines of what is configured out on Linux (NUMA, huge pages, balloons) are left out as
/// there.
extension FileSystems {
  /// Linux: `vmstat_show()`.
  func writeMemoryStatistics(to writer: inout TextWriter<Environment>) {
    let census = census()
    let memory = environment.memory.value
    value("nr_free_pages", frames.freePageCount.value, &writer)
    value("nr_zone_inactive_anon", memory.evictableSharedPageCount.value, &writer)
    value("nr_zone_active_anon", census.evictableAnonymous.value, &writer)
    value("nr_zone_inactive_file", memory.evictableFilePageCount.value, &writer)
    value("nr_zone_active_file", 0, &writer)
    value("nr_zone_unevictable", census.unevictable.value, &writer)
    value("nr_zone_write_pending", census.dirty.value + census.writeback.value, &writer)
    value("nr_mlock", census.memoryLocked.value, &writer)
    value("nr_bounce", 0, &writer)
    value("nr_free_cma", frames.freeContiguousPageCount.value, &writer)
    writeNodeStatistics(census, indent: 0, to: &writer)
    let dirtyable = dirtyablePageCount
    value("nr_dirty_threshold", dirtyable / 5, &writer)
    value("nr_dirty_background_threshold", dirtyable / 10, &writer)
    value("nr_memmap_pages", 0, &writer)
    value("nr_memmap_boot_pages", frames.table.count * 32 / 4096, &writer)
    writeEvents(to: &writer)
    writeRareEvents(to: &writer)
    value("nr_unstable", 0, &writer)
  }

  /// Free and file pages: what may become dirty. Linux: `global_dirtyable_memory()`.
  var dirtyablePageCount: Int {
    let file = environment.memory.value.evictableFilePageCount
    let usable = frames.freePageCount.value + file.value
    return max(0, usable - frames.totalReserve.value)
  }

  /// The counters of the one node, which /proc/zoneinfo shows too.
  func writeNodeStatistics(
    _ census: FrameCensus, indent: Int,
    to writer: inout TextWriter<Environment>
  ) {
    let memory = environment.memory.value
    let files = memory.filePageCount.value
    let shared = memory.sharedPageCount.value
    node("nr_inactive_anon", memory.evictableSharedPageCount.value, indent, &writer)
    node("nr_active_anon", census.evictableAnonymous.value, indent, &writer)
    node("nr_inactive_file", memory.evictableFilePageCount.value, indent, &writer)
    node("nr_active_file", 0, indent, &writer)
    node("nr_unevictable", census.unevictable.value, indent, &writer)
    let reclaimable = reclaimablePageCount.value
    node("nr_slab_reclaimable", reclaimable, indent, &writer)
    node("nr_slab_unreclaimable", census.slab.value - reclaimable, indent, &writer)
    node("nr_isolated_anon", 0, indent, &writer)
    node("nr_isolated_file", 0, indent, &writer)
    node("workingset_nodes", 0, indent, &writer)
    node("workingset_refault_anon", 0, indent, &writer)
    node("workingset_refault_file", 0, indent, &writer)
    node("workingset_activate_anon", 0, indent, &writer)
    node("workingset_activate_file", 0, indent, &writer)
    node("workingset_restore_anon", 0, indent, &writer)
    node("workingset_restore_file", 0, indent, &writer)
    node("workingset_nodereclaim", 0, indent, &writer)
    node("nr_anon_pages", census.anonymous.value, indent, &writer)
    node("nr_mapped", memory.mappedFilePageCount.value, indent, &writer)
    node("nr_file_pages", files + shared, indent, &writer)
    node("nr_dirty", census.dirty.value, indent, &writer)
    node("nr_writeback", census.writeback.value, indent, &writer)
    node("nr_writeback_temp", 0, indent, &writer)
    node("nr_shmem", shared, indent, &writer)
    writeHugeNodeStatistics(indent, to: &writer)
    node("nr_vmscan_write", Int(memory.reclaimWriteCount), indent, &writer)
    node("nr_vmscan_immediate_reclaim", 0, indent, &writer)
    node("nr_dirtied", Int(memory.dirtiedCount), indent, &writer)
    node("nr_written", Int(memory.writtenCount), indent, &writer)
    node("nr_throttled_written", 0, indent, &writer)
    node("nr_kernel_misc_reclaimable", 0, indent, &writer)
    node("nr_foll_pin_acquired", 0, indent, &writer)
    node("nr_foll_pin_released", 0, indent, &writer)
    node("nr_kernel_stack", Int(stackPageCount.kibibytes), indent, &writer)
    node("nr_page_table_pages", census.pageTables.value, indent, &writer)
    node("nr_sec_page_table_pages", 0, indent, &writer)
    node("nr_swapcached", 0, indent, &writer)
    node("pgdemote_kswapd", 0, indent, &writer)
    node("pgdemote_direct", 0, indent, &writer)
    node("pgdemote_khugepaged", 0, indent, &writer)
  }

  private func writeHugeNodeStatistics(
    _ indent: Int, to writer: inout TextWriter<Environment>
  ) {
    node("nr_shmem_hugepages", 0, indent, &writer)
    node("nr_shmem_pmdmapped", 0, indent, &writer)
    node("nr_file_hugepages", 0, indent, &writer)
    node("nr_file_pmdmapped", 0, indent, &writer)
    node("nr_anon_transparent_hugepages", 0, indent, &writer)
  }

  /// Linux: `enum vm_event_item`.
  private func writeEvents(to writer: inout TextWriter<Environment>) {
    let memory = environment.memory.value
    let counts = state.value.diskCounts
    value("pgpgin", Int(counts.readSectors / 2), &writer)
    value("pgpgout", Int(counts.writtenSectors / 2), &writer)
    value("pswpin", 0, &writer)
    value("pswpout", 0, &writer)
    var freed: UInt64 = 0
    writeZoneEvents("pgalloc_", movable: 0, &writer) { kind in
      let statistics = frames.statistics(of: kind)
      freed += statistics.freedCount
      return statistics.allocatedCount
    }
    let stalls = memory.stallCounts
    writeZoneEvents("allocstall_", movable: stalls[ZoneKind.count], &writer) { kind in
      kind == .normal
        ? stalls[kind.index] + stalls[ZoneKind.highMemory.index] : stalls[kind.index]
    }
    writeZoneEvents("pgskip_", movable: 0, &writer) { _ in 0 }
    value("pgfree", Int(freed), &writer)
    value("pgactivate", 0, &writer)
    value("pgdeactivate", 0, &writer)
    value("pglazyfree", 0, &writer)
    value("pgfault", Int(memory.faultCount), &writer)
    value("pgmajfault", Int(memory.majorFaultCount), &writer)
    value("pglazyfreed", 0, &writer)
    value("pgrefill", 0, &writer)
    value("pgreuse", Int(memory.reuseCount), &writer)
    value("pgsteal_kswapd", 0, &writer)
    value("pgsteal_direct", Int(memory.stolenCount), &writer)
    value("pgsteal_khugepaged", 0, &writer)
    value("pgscan_kswapd", 0, &writer)
    value("pgscan_direct", Int(memory.scannedCount), &writer)
    value("pgscan_khugepaged", 0, &writer)
    value("pgscan_direct_throttle", 0, &writer)
    value("pgscan_anon", 0, &writer)
    value("pgscan_file", Int(memory.scannedCount), &writer)
    value("pgsteal_anon", 0, &writer)
    value("pgsteal_file", Int(memory.stolenCount), &writer)
  }

  private func writeRareEvents(to writer: inout TextWriter<Environment>) {
    value("pginodesteal", 0, &writer)
    value("slabs_scanned", Int(environment.activity.scannedObjectCount), &writer)
    value("kswapd_inodesteal", 0, &writer)
    value("kswapd_low_wmark_hit_quickly", 0, &writer)
    value("kswapd_high_wmark_hit_quickly", 0, &writer)
    value("pageoutrun", 0, &writer)
    value("pgrotated", 0, &writer)
    value("drop_pagecache", Int(state.value.settings.pageCacheDropCount), &writer)
    value("drop_slab", Int(state.value.settings.objectDropCount), &writer)
    value("oom_kill", Int(environment.activity.memoryKillCount), &writer)
    writeMoves(to: &writer)
    writeLocks(to: &writer)
    value("direct_map_level2_splits", 0, &writer)
    value("direct_map_level3_splits", 0, &writer)
  }

  /// What became of locked frames. None is freed while it is locked (`cleared`), left where it is
  /// at its unlock (`stranded`), or looked for later (`scanned`).
  private func writeLocks(to writer: inout TextWriter<Environment>) {
    let locked = environment.memory.value.locked
    value("unevictable_pgs_culled", Int(locked.lockedCount), &writer)
    value("unevictable_pgs_scanned", 0, &writer)
    value("unevictable_pgs_rescued", Int(locked.unlockedCount), &writer)
    value("unevictable_pgs_mlocked", Int(locked.lockedCount), &writer)
    value("unevictable_pgs_munlocked", Int(locked.unlockedCount), &writer)
    value("unevictable_pgs_cleared", 0, &writer)
    value("unevictable_pgs_stranded", 0, &writer)
  }

  /// Migration, compaction and contiguous areas.
  private func writeMoves(to writer: inout TextWriter<Environment>) {
    let migration = environment.memory.value.migration
    let compaction = environment.memory.value.compaction
    value("pgmigrate_success", Int(migration.succeededCount), &writer)
    value("pgmigrate_fail", Int(migration.failedCount), &writer)
    value("thp_migration_success", 0, &writer)
    value("thp_migration_fail", 0, &writer)
    value("thp_migration_split", 0, &writer)
    value("compact_migrate_scanned", Int(compaction.migrateScannedCount), &writer)
    value("compact_free_scanned", Int(compaction.freeScannedCount), &writer)
    value("compact_isolated", Int(compaction.isolatedCount), &writer)
    value("compact_stall", Int(compaction.stallCount), &writer)
    value("compact_fail", Int(compaction.failureCount), &writer)
    value("compact_success", Int(compaction.successCount), &writer)
    value("compact_daemon_wake", 0, &writer)
    value("compact_daemon_migrate_scanned", 0, &writer)
    value("compact_daemon_free_scanned", 0, &writer)
    var (succeeded, failed) = (0, 0)
    for index in 0..<frames.contiguousAreaCount {
      succeeded += Int(frames.contiguousArea(index).successCount)
      failed += Int(frames.contiguousArea(index).failureCount)
    }
    value("cma_alloc_success", succeeded, &writer)
    value("cma_alloc_fail", failed, &writer)
  }

  /// A counter of each zone, that of high memory left out, which 64-bit machines have not, and of
  /// the one for movable memory, which has no frames of its own here.
  private func writeZoneEvents(
    _ name: StaticString, movable: UInt64, _ writer: inout TextWriter<Environment>,
    _ count: (ZoneKind) -> UInt64
  ) {
    for index in 0..<ZoneKind.count {
      let kind = ZoneKind(index: index)
      guard kind != .highMemory else { continue }
      writer.put(name)
      switch kind {
      case .dma: writer.put("dma ")
      case .dma32: writer.put("dma32 ")
      default: writer.put("normal ")
      }
      writer.put(count(kind))
      writer.put("\n")
    }
    writer.put(name)
    writer.put("movable ")
    writer.put(movable)
    writer.put("\n")
  }

  private func value(
    _ name: StaticString, _ value: Int, _ writer: inout TextWriter<Environment>
  ) {
    writer.put(name)
    writer.put(" ")
    writer.put(UInt64(max(value, 0)))
    writer.put("\n")
  }

  /// A counter as /proc/vmstat (no indent) or /proc/zoneinfo has it.
  func node(
    _ name: StaticString, _ count: Int, _ indent: Int, _ writer: inout TextWriter<Environment>
  ) {
    guard indent > 0 else { return value(name, count, &writer) }
    writer.put("      ")
    writer.beginLine()
    writer.put(name)
    writer.pad(to: 12)
    writer.put(" ")
    writer.put(UInt64(max(count, 0)))
    writer.put("\n")
  }
}
