// SPDX-License-Identifier: Apache-2.0

import LinuxABI

/// What /sys holds, each with the folder it is in.
///
/// Nothing of it can be written: what Linux lets one choose there is as it is.
enum SystemFile: UInt8, BitwiseCopyable {
  case folder = 1
  case devices, systemDevices, processors, nodes, kernel, memory, hugePages, blockDevices
  case contiguousAreas
  // /sys/devices/system/cpu
  case online, possible, present, offline, isolated, largest, processor
  // /sys/devices/system/cpu/cpu0
  case topology, caches
  case coreIdentifier, packageIdentifier, coreProcessors, coreProcessorList
  case threadSiblings, threadSiblingList, packageProcessors, packageProcessorList
  // /sys/devices/system/cpu/cpu0/cache/index0
  case cache
  case cacheIdentifier, cacheLevel, cacheKind, cacheSize, lineSize, waysCount, setCount
  case linesInPartition, sharingProcessors, sharingProcessorList
  // /sys/devices/system/node
  case onlineNodes, possibleNodes, nodesWithMemory, nodesWithNormalMemory, nodesWithProcessor
  case node
  case nodeMemory, nodeProcessorList, nodeProcessors, nodeDistance, nodeStatistics
  // /sys/kernel/mm/transparent_hugepage
  case isEnabled, defragmentation, pageSize, sharedMemory, zeroPage
  // /sys/kernel/mm/cma
  case contiguousArea
  case servedPages, failedPages, releasedPages, extent, holders, blockers
  // /sys/block
  case disk
  case deviceNumber, sectorCount, transfers, readOnly, removable, range, queue
  case hardwareSectorSize, logicalBlockSize, physicalBlockSize, smallestTransfer
  case largestTransfer, requestLimit, rotational, scheduler, writeCache

  /// The numbers of all cases.
  static var numbers: ClosedRange<UInt8> { SystemFile.folder.rawValue...writeCache.rawValue }

  /// A name in a folder of /sys.
  struct Entry: BitwiseCopyable {
    let name: StaticString
    let folder: SystemFile
    let mode: FileMode

    static func text(_ name: StaticString, _ folder: SystemFile) -> Entry {
      Entry(name: name, folder: folder, mode: FileMode(.regular, permissions: 0o444))
    }

    static func folder(_ name: StaticString, _ folder: SystemFile) -> Entry {
      Entry(name: name, folder: folder, mode: FileMode(.folder, permissions: 0o755))
    }
  }

  var mode: FileMode { entry?.mode ?? FileMode(.folder, permissions: 0o755) }

  /// Where it is and what it is called; nil of /sys itself.
  ///
  /// Caches and disks are there more than once: they have the name of the first here.
  var entry: Entry? {
    switch self {
    case .folder: nil
    case .devices: .folder("devices", .folder)
    case .systemDevices: .folder("system", .devices)
    case .processors: .folder("cpu", .systemDevices)
    case .nodes: .folder("node", .systemDevices)
    case .kernel: .folder("kernel", .folder)
    case .memory: .folder("mm", .kernel)
    case .hugePages: .folder("transparent_hugepage", .memory)
    case .contiguousAreas: .folder("cma", .memory)
    case .blockDevices: .folder("block", .folder)
    case .online: .text("online", .processors)
    case .possible: .text("possible", .processors)
    case .present: .text("present", .processors)
    case .offline: .text("offline", .processors)
    case .isolated: .text("isolated", .processors)
    case .largest: .text("kernel_max", .processors)
    case .processor: .folder("cpu0", .processors)
    case .topology: .folder("topology", .processor)
    case .caches: .folder("cache", .processor)
    case .coreIdentifier: .text("core_id", .topology)
    case .packageIdentifier: .text("physical_package_id", .topology)
    case .coreProcessors: .text("core_cpus", .topology)
    case .coreProcessorList: .text("core_cpus_list", .topology)
    case .threadSiblings: .text("thread_siblings", .topology)
    case .threadSiblingList: .text("thread_siblings_list", .topology)
    case .packageProcessors: .text("package_cpus", .topology)
    case .packageProcessorList: .text("package_cpus_list", .topology)
    case .cache: .folder("index0", .caches)
    case .cacheIdentifier: .text("id", .cache)
    case .cacheLevel: .text("level", .cache)
    case .cacheKind: .text("type", .cache)
    case .cacheSize: .text("size", .cache)
    case .lineSize: .text("coherency_line_size", .cache)
    case .waysCount: .text("ways_of_associativity", .cache)
    case .setCount: .text("number_of_sets", .cache)
    case .linesInPartition: .text("physical_line_partition", .cache)
    case .sharingProcessors: .text("shared_cpu_map", .cache)
    case .sharingProcessorList: .text("shared_cpu_list", .cache)
    default: memoryEntry
    }
  }

  private var memoryEntry: Entry? {
    switch self {
    case .onlineNodes: .text("online", .nodes)
    case .possibleNodes: .text("possible", .nodes)
    case .nodesWithMemory: .text("has_memory", .nodes)
    case .nodesWithNormalMemory: .text("has_normal_memory", .nodes)
    case .nodesWithProcessor: .text("has_cpu", .nodes)
    case .node: .folder("node0", .nodes)
    case .nodeMemory: .text("meminfo", .node)
    case .nodeProcessorList: .text("cpulist", .node)
    case .nodeProcessors: .text("cpumap", .node)
    case .nodeDistance: .text("distance", .node)
    case .nodeStatistics: .text("vmstat", .node)
    case .isEnabled: .text("enabled", .hugePages)
    case .defragmentation: .text("defrag", .hugePages)
    case .pageSize: .text("hpage_pmd_size", .hugePages)
    case .sharedMemory: .text("shmem_enabled", .hugePages)
    case .zeroPage: .text("use_zero_page", .hugePages)
    default: areaEntry
    }
  }

  /// What is not Linux's: `extent`, `holders`, `blockers`; it has the first in debugfs.
  private var areaEntry: Entry? {
    switch self {
    case .contiguousArea: .folder("reserved", .contiguousAreas)
    case .servedPages: .text("alloc_pages_success", .contiguousArea)
    case .failedPages: .text("alloc_pages_fail", .contiguousArea)
    case .releasedPages: .text("release_pages_success", .contiguousArea)
    case .extent: .text("extent", .contiguousArea)
    case .holders: .text("holders", .contiguousArea)
    case .blockers: .text("blockers", .contiguousArea)
    default: diskEntry
    }
  }

  private var diskEntry: Entry? {
    switch self {
    case .disk: .folder("vda", .blockDevices)
    case .deviceNumber: .text("dev", .disk)
    case .sectorCount: .text("size", .disk)
    case .transfers: .text("stat", .disk)
    case .readOnly: .text("ro", .disk)
    case .removable: .text("removable", .disk)
    case .range: .text("range", .disk)
    case .queue: .folder("queue", .disk)
    case .hardwareSectorSize: .text("hw_sector_size", .queue)
    case .logicalBlockSize: .text("logical_block_size", .queue)
    case .physicalBlockSize: .text("physical_block_size", .queue)
    case .smallestTransfer: .text("minimum_io_size", .queue)
    case .largestTransfer: .text("max_sectors_kb", .queue)
    case .requestLimit: .text("nr_requests", .queue)
    case .rotational: .text("rotational", .queue)
    case .scheduler: .text("scheduler", .queue)
    case .writeCache: .text("write_cache", .queue)
    default: nil
    }
  }
}

/// A file of /sys, as its inode's number tells it: the file, and which cache or disk it is of.
struct SystemNode: BitwiseCopyable, Equatable {
  let file: SystemFile
  /// Which cache of cpu0, or which disk; 0 elsewhere.
  let instance: UInt8

  init(_ file: SystemFile, instance: UInt8 = 0) {
    self.file = file
    self.instance = instance
  }

  init(_ number: UInt64) {
    guard let file = SystemFile(rawValue: UInt8(truncatingIfNeeded: number)) else {
      preconditionFailure("a file that /sys has not")
    }
    self.file = file
    instance = UInt8(truncatingIfNeeded: number >> 8)
  }

  var number: UInt64 { UInt64(instance) << 8 | UInt64(file.rawValue) }

  /// The folder it is in; nil of /sys itself.
  var folder: SystemNode? {
    guard let folder = file.entry?.folder else { return nil }
    return SystemNode(folder, instance: Self.limit(file) > 1 ? 0 : instance)
  }

  var name: StaticString {
    switch (file, instance) {
    case (.cache, 1): "index1"
    case (.cache, 2): "index2"
    case (.cache, 3): "index3"
    case (.disk, 1): "vdb"
    case (.contiguousArea, _): BufferHeap.areaName(Int(instance))
    default: file.entry?.name ?? ""
    }
  }

  /// The most files of a kind in a folder.
  static var largest: UInt8 { 8 }

  /// How many files of this kind a folder may have.
  static func limit(_ file: SystemFile) -> UInt8 {
    switch file {
    case .cache: 4
    case .disk: UInt8(Disk.count)
    case .contiguousArea: largest
    default: 1
    }
  }
}
