// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageFrames

/// The texts of /sys, in the form of Linux 6.12.
extension FileSystems {
  func writeSystemFile(_ node: SystemNode, to writer: inout TextWriter<Environment>) {
    switch node.file {
    // One processor, one node; more than one was never possible.
    case .online, .possible, .present, .onlineNodes, .possibleNodes, .nodesWithMemory,
      .nodesWithNormalMemory, .nodesWithProcessor, .coreProcessorList, .threadSiblingList,
      .packageProcessorList, .sharingProcessorList, .nodeProcessorList, .coreIdentifier,
      .packageIdentifier, .largest:
      writer.put("0\n")
    case .coreProcessors, .threadSiblings, .packageProcessors, .sharingProcessors,
      .nodeProcessors:
      writer.put("1\n")
    case .offline, .isolated: writer.put("\n")
    case .nodeDistance: writer.put("10\n")
    case .nodeMemory: writeNodeMemory(to: &writer)
    case .nodeStatistics: writeNodeFile(to: &writer)
    case .isEnabled: writer.put("always madvise [never]\n")
    case .defragmentation: writer.put("always defer defer+madvise [madvise] never\n")
    case .pageSize: writer.put("2097152\n")
    case .sharedMemory: writer.put("always within_size advise [never] deny force\n")
    case .zeroPage: writer.put("1\n")
    case .cacheIdentifier, .cacheLevel, .cacheKind, .cacheSize, .lineSize, .waysCount, .setCount,
      .linesInPartition:
      writeCache(node, to: &writer)
    case .servedPages, .failedPages, .releasedPages, .extent, .holders, .blockers:
      writeArea(node, to: &writer)
    default: writeDisk(node, to: &writer)
    }
  }

  /// What CPUID's leaf 4 tells of the processor that the machine is started with.
  private func writeCache(_ node: SystemNode, to writer: inout TextWriter<Environment>) {
    let cache = ProcessorCache(node.instance)
    switch node.file {
    case .cacheLevel: writer.put(cache.level)
    case .cacheKind: writer.put(cache.kind)
    case .cacheSize:
      writer.put(cache.kibibytes)
      writer.put("K")
    case .lineSize: writer.put(ProcessorCache.lineByteCount)
    case .waysCount: writer.put(cache.ways)
    case .setCount: writer.put(cache.kibibytes * 1024 / cache.ways / ProcessorCache.lineByteCount)
    case .linesInPartition: writer.put("1")
    default: writer.put("0")
    }
    writer.put("\n")
  }

  private func writeDisk(_ node: SystemNode, to writer: inout TextWriter<Environment>) {
    let disk = state.value.disks[Int(node.instance)]
    switch node.file {
    case .deviceNumber: writer.put(node.instance == 0 ? "254:0" : "254:16")
    case .sectorCount: writer.put(disk.byteCount / 512)
    case .transfers: return writeCounts(of: Int(node.instance), isAligned: true, to: &writer)
    case .readOnly: writer.put(isReadOnly(node.instance == 0 ? .root : .scratch) ? "1" : "0")
    case .range: writer.put("16")
    case .hardwareSectorSize, .logicalBlockSize, .physicalBlockSize, .smallestTransfer:
      writer.put("512")
    case .largestTransfer: writer.put("1280")
    case .requestLimit: writer.put(UInt64(DiskTransfer.maximumInFlight))
    case .rotational: writer.put(state.value.model == .hdd ? "1" : "0")
    case .scheduler: writer.put("[none]")
    case .writeCache: writer.put("write back")
    default: writer.put("0")
    }
    writer.put("\n")
  }

  /// Linux: `node_read_vmstat()`.
  private func writeNodeFile(to writer: inout TextWriter<Environment>) {
    writer.put("nr_free_pages ")
    writer.put(UInt64(frames.freePageCount.value))
    writer.put("\n")
    writeNodeStatistics(census(), indent: 0, to: &writer)
  }

  /// Linux: `node_read_meminfo()`.
  private func writeNodeMemory(to writer: inout TextWriter<Environment>) {
    let census = census()
    let memory = environment.memory.value
    let (file, shared) = (memory.evictableFilePageCount, memory.evictableSharedPageCount)
    let total = frames.managedPageCount
    let free = frames.freePageCount
    line("MemTotal:", total, &writer)
    line("MemFree:", free, &writer)
    line("MemUsed:", total - free, &writer)
    line("SwapCached:", .zero, &writer)
    line("Active:", census.evictableAnonymous, &writer)
    line("Inactive:", file + shared, &writer)
    line("Active(anon):", census.evictableAnonymous, &writer)
    line("Inactive(anon):", shared, &writer)
    line("Active(file):", .zero, &writer)
    line("Inactive(file):", file, &writer)
    line("Unevictable:", census.unevictable, &writer)
    line("Mlocked:", census.memoryLocked, &writer)
    line("Dirty:", memory.dirtyPageCount, &writer)
    line("Writeback:", memory.writebackPageCount, &writer)
    line("FilePages:", memory.filePageCount + memory.sharedPageCount, &writer)
    line("Mapped:", memory.mappedFilePageCount, &writer)
    line("AnonPages:", census.anonymous, &writer)
    line("Shmem:", memory.sharedPageCount, &writer)
    line("KernelStack:", stackPageCount, &writer)
    line("PageTables:", census.pageTables, &writer)
    line("SecPageTables:", .zero, &writer)
    line("NFS_Unstable:", .zero, &writer)
    line("Bounce:", .zero, &writer)
    line("WritebackTmp:", .zero, &writer)
    let reclaimable = reclaimablePageCount
    line("KReclaimable:", reclaimable, &writer)
    line("Slab:", census.slab, &writer)
    line("SReclaimable:", reclaimable, &writer)
    line("SUnreclaim:", census.slab - reclaimable, &writer)
  }

  private func line(
    _ name: StaticString, _ count: PageCount, _ writer: inout TextWriter<Environment>
  ) {
    writer.put("Node 0 ")
    writer.beginLine()
    writer.put(name)
    writer.pad(to: 15)
    writer.put(count.kibibytes, width: 8)
    writer.put(" kB\n")
  }
}

/// A cache of the processor that the machine is started with.
private struct ProcessorCache: BitwiseCopyable {
  let level: UInt64
  let kind: StaticString
  let kibibytes: UInt64
  let ways: UInt64

  static var lineByteCount: UInt64 { 64 }

  init(_ index: UInt8) {
    switch index {
    case 0: (level, kind, kibibytes, ways) = (1, "Data", 32, 8)
    case 1: (level, kind, kibibytes, ways) = (1, "Instruction", 32, 8)
    case 2: (level, kind, kibibytes, ways) = (2, "Unified", 4096, 16)
    default: (level, kind, kibibytes, ways) = (3, "Unified", 16_384, 16)
    }
  }
}
