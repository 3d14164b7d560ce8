// SPDX-License-Identifier: Apache-2.0

import LinuxABI

/// What /proc holds, each with the folder it is in.
enum ProcessFile: UInt8, BitwiseCopyable {
  case folder = 1
  // /proc
  case selfLink, threadSelf, mountsLink
  case meminfo, cpuinfo, uptime, version, filesystems, stat, loadAverage, commandLine
  case settings, kernelSettings, memorySettings
  // /proc/sys
  case systemType, release, systemVersion, hostName, processLimit, groupLimit
  case overcommit, areaLimit, smallestAddress
  // /proc/PID
  case process
  case maps, processStat, processStatm, status, arguments, environment, name, mounts
  case outOfMemoryAdjustment
  case executable, workingFolder, root
  case descriptors
  case descriptor

  /// Nil of what has a number for a name.
  var entry: (name: StaticString, folder: ProcessFile)? {
    switch self {
    case .folder, .process, .descriptor: nil
    case .selfLink: ("self", .folder)
    case .threadSelf: ("thread-self", .folder)
    case .mountsLink: ("mounts", .folder)
    case .meminfo: ("meminfo", .folder)
    case .cpuinfo: ("cpuinfo", .folder)
    case .uptime: ("uptime", .folder)
    case .version: ("version", .folder)
    case .filesystems: ("filesystems", .folder)
    case .stat: ("stat", .folder)
    case .loadAverage: ("loadavg", .folder)
    case .commandLine: ("cmdline", .folder)
    case .settings: ("sys", .folder)
    case .kernelSettings: ("kernel", .settings)
    case .memorySettings: ("vm", .settings)
    case .systemType: ("ostype", .kernelSettings)
    case .release: ("osrelease", .kernelSettings)
    case .systemVersion: ("version", .kernelSettings)
    case .hostName: ("hostname", .kernelSettings)
    case .processLimit: ("pid_max", .kernelSettings)
    case .groupLimit: ("ngroups_max", .kernelSettings)
    case .overcommit: ("overcommit_memory", .memorySettings)
    case .areaLimit: ("max_map_count", .memorySettings)
    case .smallestAddress: ("mmap_min_addr", .memorySettings)
    case .maps: ("maps", .process)
    case .processStat: ("stat", .process)
    case .processStatm: ("statm", .process)
    case .status: ("status", .process)
    case .arguments: ("cmdline", .process)
    case .environment: ("environ", .process)
    case .name: ("comm", .process)
    case .mounts: ("mounts", .process)
    case .outOfMemoryAdjustment: ("oom_score_adj", .process)
    case .executable: ("exe", .process)
    case .workingFolder: ("cwd", .process)
    case .root: ("root", .process)
    case .descriptors: ("fd", .process)
    }
  }

  var mode: FileMode {
    switch self {
    case .folder, .settings, .kernelSettings, .memorySettings, .process:
      FileMode(.folder, permissions: 0o555)
    case .descriptors: FileMode(.folder, permissions: 0o500)
    case .selfLink, .threadSelf, .mountsLink, .executable, .workingFolder, .root:
      FileMode(.link, permissions: 0o777)
    case .descriptor: FileMode(.link, permissions: 0o700)
    case .environment: FileMode(.regular, permissions: 0o400)
    default: FileMode(.regular, permissions: 0o444)
    }
  }

  /// The numbers of all cases.
  static var numbers: ClosedRange<UInt8> { ProcessFile.folder.rawValue...descriptor.rawValue }
}

/// A file of /proc, as its inode's number tells it.
struct ProcessNode: BitwiseCopyable, Equatable {
  let file: ProcessFile
  /// Of /proc/PID; 0 elsewhere.
  let process: UInt32
  /// Of /proc/PID/fd; 0 elsewhere.
  let descriptor: UInt32

  init(_ file: ProcessFile, process: UInt32 = 0, descriptor: UInt32 = 0) {
    self.file = file
    self.process = process
    self.descriptor = descriptor
  }

  init(_ number: UInt64) {
    guard let file = ProcessFile(rawValue: UInt8(truncatingIfNeeded: number)) else {
      preconditionFailure("a file that /proc has not")
    }
    self.file = file
    process = UInt32(truncatingIfNeeded: number >> 32)
    descriptor = UInt32(truncatingIfNeeded: number >> 8 & 0xFF_FFFF)
  }

  var number: UInt64 {
    UInt64(process) << 32 | UInt64(descriptor & 0xFF_FFFF) << 8 | UInt64(file.rawValue)
  }

  /// The folder that it is in; nil of /proc itself.
  var folder: ProcessNode? {
    switch file {
    case .folder: nil
    case .process: ProcessNode(.folder)
    case .descriptor: ProcessNode(.descriptors, process: process)
    default: file.entry.map { ProcessNode($0.folder, process: process) }
    }
  }
}
