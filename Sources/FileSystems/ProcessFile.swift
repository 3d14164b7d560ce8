// SPDX-License-Identifier: Apache-2.0

import LinuxABI

/// What /proc holds, each with the folder it is in.
enum ProcessFile: UInt8, BitwiseCopyable {
  case folder = 1
  // /proc
  case selfLink, threadSelf, mountsLink
  case meminfo, cpuinfo, uptime, version, filesystems, stat, loadAverage, commandLine
  case memoryStatistics, zoneinfo, buddyinfo, pagetypeinfo, slabinfo, vmallocinfo
  case devices, swaps, diskStatistics, partitions
  case settings, kernelSettings, randomSettings, memorySettings, fileSettings
  // /proc/sys/kernel
  case systemType, release, systemVersion, hostName, domainName, processLimit, threadLimit
  case groupLimit, lastCapability, addressRandomization, overflowUser, overflowGroup
  case corePattern, tainted
  // /proc/sys/kernel/random
  case bootIdentifier, freshIdentifier, entropy, poolSize
  // /proc/sys/vm
  case overcommitMode, overcommitRatio, overcommitKibibytes, areaLimit, smallestAddress
  case swappiness, minimumFree, watermarkScale, watermarkBoost, lowMemoryReserve
  case dirtyRatio, dirtyBackgroundRatio, dirtyBytes, dirtyBackgroundBytes
  case dirtyExpiry, dirtyInterval, cachePressure, swapCluster
  case administratorReserve, userReserve, panicOnShortage, killAllocator, dumpTasks
  case dropCaches, compactMemory, fragmentationThreshold
  // /proc/sys/fs
  case fileLimit, fileCount, descriptorLimit, pipeLimit
  // /proc/PID
  case process
  case maps, smaps, smapsRollup, processStat, processStatm, status, limits
  case arguments, environment, auxiliary, name, mounts, mountInformation, io
  case outOfMemoryScore, outOfMemoryAdjustment, outOfMemoryLegacy
  case waitChannel, pagemap, controlGroup, loginUser, session, personality
  case executable, workingFolder, root
  case descriptors, descriptorFacts, tasks
  case descriptor, descriptorFact, task

  /// The numbers of all cases.
  static var numbers: ClosedRange<UInt8> { ProcessFile.folder.rawValue...task.rawValue }

  /// Where it is and what it is called; nil of what has a number for a name.
  var entry: Entry? {
    switch self {
    case .folder, .process, .descriptor, .descriptorFact, .task: nil
    case .selfLink: .link("self", .folder)
    case .threadSelf: .link("thread-self", .folder)
    case .mountsLink: .link("mounts", .folder)
    case .meminfo: .text("meminfo", .folder)
    case .cpuinfo: .text("cpuinfo", .folder)
    case .uptime: .text("uptime", .folder)
    case .version: .text("version", .folder)
    case .filesystems: .text("filesystems", .folder)
    case .stat: .text("stat", .folder)
    case .loadAverage: .text("loadavg", .folder)
    case .commandLine: .text("cmdline", .folder)
    case .memoryStatistics: .text("vmstat", .folder)
    case .zoneinfo: .text("zoneinfo", .folder)
    case .buddyinfo: .text("buddyinfo", .folder)
    case .pagetypeinfo: .text("pagetypeinfo", .folder, 0o400)
    case .slabinfo: .text("slabinfo", .folder, 0o400)
    case .vmallocinfo: .text("vmallocinfo", .folder, 0o400)
    case .devices: .text("devices", .folder)
    case .swaps: .text("swaps", .folder)
    case .diskStatistics: .text("diskstats", .folder)
    case .partitions: .text("partitions", .folder)
    case .settings: .folder("sys", .folder)
    case .kernelSettings: .folder("kernel", .settings)
    case .randomSettings: .folder("random", .kernelSettings)
    case .memorySettings: .folder("vm", .settings)
    case .fileSettings: .folder("fs", .settings)
    case .systemType: .text("ostype", .kernelSettings)
    case .release: .text("osrelease", .kernelSettings)
    case .systemVersion: .text("version", .kernelSettings)
    case .hostName: .text("hostname", .kernelSettings, 0o644)
    case .domainName: .text("domainname", .kernelSettings)
    case .processLimit: .text("pid_max", .kernelSettings)
    case .threadLimit: .text("threads-max", .kernelSettings)
    case .groupLimit: .text("ngroups_max", .kernelSettings)
    case .lastCapability: .text("cap_last_cap", .kernelSettings)
    case .addressRandomization: .text("randomize_va_space", .kernelSettings)
    case .overflowUser: .text("overflowuid", .kernelSettings)
    case .overflowGroup: .text("overflowgid", .kernelSettings)
    case .corePattern: .text("core_pattern", .kernelSettings)
    case .tainted: .text("tainted", .kernelSettings)
    case .bootIdentifier: .text("boot_id", .randomSettings)
    case .freshIdentifier: .text("uuid", .randomSettings)
    case .entropy: .text("entropy_avail", .randomSettings)
    case .poolSize: .text("poolsize", .randomSettings)
    case .overcommitMode: .text("overcommit_memory", .memorySettings, 0o644)
    case .overcommitRatio: .text("overcommit_ratio", .memorySettings, 0o644)
    case .overcommitKibibytes: .text("overcommit_kbytes", .memorySettings)
    case .areaLimit: .text("max_map_count", .memorySettings, 0o644)
    case .smallestAddress: .text("mmap_min_addr", .memorySettings)
    case .swappiness: .text("swappiness", .memorySettings)
    case .minimumFree: .text("min_free_kbytes", .memorySettings)
    case .watermarkScale: .text("watermark_scale_factor", .memorySettings)
    case .watermarkBoost: .text("watermark_boost_factor", .memorySettings)
    case .lowMemoryReserve: .text("lowmem_reserve_ratio", .memorySettings)
    case .dirtyRatio: .text("dirty_ratio", .memorySettings)
    case .dirtyBackgroundRatio: .text("dirty_background_ratio", .memorySettings)
    case .dirtyBytes: .text("dirty_bytes", .memorySettings)
    case .dirtyBackgroundBytes: .text("dirty_background_bytes", .memorySettings)
    case .dirtyExpiry: .text("dirty_expire_centisecs", .memorySettings)
    case .dirtyInterval: .text("dirty_writeback_centisecs", .memorySettings)
    case .cachePressure: .text("vfs_cache_pressure", .memorySettings)
    case .swapCluster: .text("page-cluster", .memorySettings)
    case .administratorReserve: .text("admin_reserve_kbytes", .memorySettings)
    case .userReserve: .text("user_reserve_kbytes", .memorySettings)
    case .panicOnShortage: .text("panic_on_oom", .memorySettings)
    case .killAllocator: .text("oom_kill_allocating_task", .memorySettings)
    case .dumpTasks: .text("oom_dump_tasks", .memorySettings)
    case .dropCaches: .text("drop_caches", .memorySettings, 0o200)
    case .compactMemory: .text("compact_memory", .memorySettings, 0o200)
    case .fragmentationThreshold: .text("extfrag_threshold", .memorySettings, 0o644)
    case .fileLimit: .text("file-max", .fileSettings)
    case .fileCount: .text("file-nr", .fileSettings)
    case .descriptorLimit: .text("nr_open", .fileSettings)
    case .pipeLimit: .text("pipe-max-size", .fileSettings)
    case .maps: .text("maps", .process)
    case .smaps: .text("smaps", .process)
    case .smapsRollup: .text("smaps_rollup", .process)
    case .processStat: .text("stat", .process)
    case .processStatm: .text("statm", .process)
    case .status: .text("status", .process)
    case .limits: .text("limits", .process)
    case .arguments: .text("cmdline", .process)
    case .environment: .text("environ", .process, 0o400)
    case .auxiliary: .text("auxv", .process, 0o400)
    case .name: .text("comm", .process, 0o644)
    case .mounts: .text("mounts", .process)
    case .mountInformation: .text("mountinfo", .process)
    case .io: .text("io", .process, 0o400)
    case .outOfMemoryScore: .text("oom_score", .process)
    case .outOfMemoryAdjustment: .text("oom_score_adj", .process, 0o644)
    case .outOfMemoryLegacy: .text("oom_adj", .process, 0o644)
    case .waitChannel: .text("wchan", .process)
    case .pagemap: .text("pagemap", .process, 0o400)
    case .controlGroup: .text("cgroup", .process)
    case .loginUser: .text("loginuid", .process)
    case .session: .text("sessionid", .process)
    case .personality: .text("personality", .process, 0o400)
    case .executable: .link("exe", .process)
    case .workingFolder: .link("cwd", .process)
    case .root: .link("root", .process)
    case .descriptors: .folder("fd", .process, 0o500)
    case .descriptorFacts: .folder("fdinfo", .process)
    case .tasks: .folder("task", .process)
    }
  }

  var mode: FileMode {
    if let entry { return entry.mode }
    return switch self {
    case .descriptor: FileMode(.link, permissions: 0o700)
    case .descriptorFact: FileMode(.regular, permissions: 0o444)
    default: FileMode(.folder, permissions: 0o555)
    }
  }

  /// A setting, which nobody may write that its mode does not name, not even the administrator.
  ///
  /// Linux: `proc_sys_permission()`.
  var isSetting: Bool {
    rawValue >= ProcessFile.systemType.rawValue && rawValue <= ProcessFile.pipeLimit.rawValue
  }

  /// A name in a folder of /proc.
  struct Entry: BitwiseCopyable {
    let name: StaticString
    let folder: ProcessFile
    let mode: FileMode

    static func text(
      _ name: StaticString, _ folder: ProcessFile, _ permissions: UInt16 = 0o444
    ) -> Entry {
      Entry(name: name, folder: folder, mode: FileMode(.regular, permissions: permissions))
    }

    static func folder(
      _ name: StaticString, _ folder: ProcessFile, _ permissions: UInt16 = 0o555
    ) -> Entry {
      Entry(name: name, folder: folder, mode: FileMode(.folder, permissions: permissions))
    }

    static func link(_ name: StaticString, _ folder: ProcessFile) -> Entry {
      Entry(name: name, folder: folder, mode: FileMode(.link, permissions: 0o777))
    }
  }
}
