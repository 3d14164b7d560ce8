// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// /proc/slabinfo: one line for each cache that was ever used.
extension FileSystems {
  /// Whether the file is there: SLOB has no caches to tell of. Linux 6.1: `CONFIG_SLUB_DEBUG`.
  var tellsSlabs: Bool { heap.design != .slob }

  /// Linux: `slab_show()`.
  func writeSlabs(to writer: inout TextWriter<Environment>) {
    writer.put("slabinfo - version: 2.1\n# name            <active_objs> <num_objs> <objsize> ")
    writer.put("<objperslab> <pagesperslab> : tunables <limit> <batchcount> <sharedfactor> : ")
    writer.put("slabdata <active_slabs> <num_slabs> <sharedavail>\n")
    for index in 0..<heap.cacheCount {
      guard let cache = heap.statistics(index) else { continue }
      writer.beginLine()
      writer.put(cache.name)
      writer.pad(to: 17)
      column(cache.activeObjectCount, 6, &writer)
      column(cache.objectCount, 6, &writer)
      column(Int(cache.objectByteCount.value), 6, &writer)
      column(cache.objectsPerSlab, 4, &writer)
      column(cache.pagesPerSlab.value, 4, &writer)
      writer.put(" : tunables")
      column(cache.tunables.limit, 4, &writer)
      column(cache.tunables.batchCount, 4, &writer)
      column(0, 4, &writer)
      writer.put(" : slabdata")
      column(cache.activeSlabCount, 6, &writer)
      column(cache.slabCount, 6, &writer)
      column(0, 6, &writer)
      writer.put("\n")
    }
  }

  private func column(_ value: Int, _ width: Int, _ writer: inout TextWriter<Environment>) {
    writer.put(" ")
    writer.put(UInt64(value), width: width)
  }
}
