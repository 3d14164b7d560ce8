// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import DeviceMemory
import KernelHeap
import KernelMappings
import LinuxABI
import Machine
import MemoryUnits
import PageFrames

/// /proc/meminfo, line by line in the order of Linux 6.12.
///
/// Every number is counted. Lines of what is configured out on Linux (huge pages, zswap,
/// failing memory) are left out as there.
extension FileSystems {
  /// Linux: `meminfo_proc_show()`.
  func writeMemoryInformation(to writer: inout TextWriter<Environment>) {
    let census = census()
    let memory = environment.memory.value
    let (file, shared) = (memory.evictableFilePageCount, memory.evictableSharedPageCount)
    let buffers = bufferPageCount
    let total = frames.managedPageCount
    let free = frames.freePageCount
    line("MemTotal:", total, &writer)
    line("MemFree:", free, &writer)
    line("MemAvailable:", availablePageCount(free, memory.evictableFilePageCount), &writer)
    line("Buffers:", buffers, &writer)
    line("Cached:", memory.filePageCount + memory.sharedPageCount - buffers, &writer)
    line("SwapCached:", .zero, &writer)
    // One list of each kind so far: private pages are never, file pages always candidates.
    line("Active:", census.evictableAnonymous, &writer)
    line("Inactive:", file + shared, &writer)
    line("Active(anon):", census.evictableAnonymous, &writer)
    line("Inactive(anon):", shared, &writer)
    line("Active(file):", .zero, &writer)
    line("Inactive(file):", file, &writer)
    line("Unevictable:", census.unevictable, &writer)
    line("Mlocked:", census.memoryLocked, &writer)
    line("SwapTotal:", .zero, &writer)
    line("SwapFree:", .zero, &writer)
    line("Dirty:", memory.dirtyPageCount, &writer)
    line("Writeback:", memory.writebackPageCount, &writer)
    line("AnonPages:", census.anonymous, &writer)
    line("Mapped:", memory.mappedFilePageCount, &writer)
    line("Shmem:", memory.sharedPageCount, &writer)
    writeKernelMemory(census, to: &writer)
    line("CommitLimit:", memory.policy.commitLimit(of: total), &writer)
    line("Committed_AS:", memory.committedPageCount, &writer)
    line("VmallocTotal:", environment.mappings.layout.areaPages, &writer)
    line("VmallocUsed:", environment.mappings.areas.memoryPageCount, &writer)
    put("VmallocChunk:", 0, &writer)
    put("Percpu:", 0, &writer)
    line("CmaTotal:", frames.contiguousPageCount, &writer)
    line("CmaFree:", frames.freeContiguousPageCount, &writer)
    writeDirectMap(to: &writer)
  }

  /// Pages of the disk that belong to no file. Linux: `nr_blockdev_pages()`.
  public var bufferPageCount: PageCount {
    var count = PageCount.zero
    for disk in 0..<Disk.count {
      guard let device = state.value.disks[disk].device.reference else { continue }
      count += heap[device].pageCount
    }
    return count
  }

  /// Pages of the objects that go when memory is short: names, inodes, nodes of the page cache.
  ///
  /// Linux: `SLAB_RECLAIM_ACCOUNT`.
  var reclaimablePageCount: PageCount {
    pageCount(ofCache: Inode.cacheIndex) + pageCount(ofCache: FolderEntry.cacheIndex)
      + pageCount(ofCache: PageCacheNode.cacheIndex)
  }

  private func pageCount(ofCache index: Int) -> PageCount {
    heap.statistics(index)?.pageCount ?? .zero
  }

  /// Pages of the stacks in use; some more are kept for the next threads.
  ///
  /// Linux: `account_kernel_stack()`.
  var stackPageCount: PageCount {
    PageCount(Int(environment.activity.threadCount) * KernelStack.pageCount.value)
  }

  private func writeKernelMemory(
    _ census: FrameCensus, to writer: inout TextWriter<Environment>
  ) {
    let reclaimable = reclaimablePageCount
    line("KReclaimable:", reclaimable, &writer)
    line("Slab:", census.slab, &writer)
    line("SReclaimable:", reclaimable, &writer)
    line("SUnreclaim:", census.slab - reclaimable, &writer)
    line("KernelStack:", stackPageCount, &writer)
    line("PageTables:", census.pageTables, &writer)
    line("SecPageTables:", .zero, &writer)
    line("NFS_Unstable:", .zero, &writer)
    put("Bounce:", environment.devices.bouncedByteCount.value >> 10, &writer)
    line("WritebackTmp:", .zero, &writer)
  }

  /// Linux: `arch_report_meminfo()`.
  private func writeDirectMap(to writer: inout TextWriter<Environment>) {
    let mappings = environment.mappings
    put("DirectMap4k:", mappings.directMapByteCount(level: 0).value >> 10, &writer)
    put("DirectMap2M:", mappings.directMapByteCount(level: 1).value >> 10, &writer)
    // As there, the line is missing where the CPU has no such pages.
    guard mappings.largestLevel > 1 else { return }
    put("DirectMap1G:", mappings.directMapByteCount(level: 2).value >> 10, &writer)
  }

  /// Linux: `si_mem_available()`.
  private func availablePageCount(_ free: PageCount, _ file: PageCount) -> PageCount {
    let low = frames.lowMarkPageCount.value
    let usable = file.value - min(file.value / 2, low)
    return PageCount(max(0, free.value - frames.totalReserve.value + usable))
  }

  private func line(
    _ name: StaticString, _ count: PageCount, _ writer: inout TextWriter<Environment>
  ) {
    put(name, count.kibibytes, &writer)
  }

  private func put(
    _ name: StaticString, _ kibibytes: UInt64, _ writer: inout TextWriter<Environment>
  ) {
    writer.beginLine()
    writer.put(name)
    writer.pad(to: 16)
    writer.put(kibibytes, width: 8)
    writer.put(" kB\n")
  }
}
