// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// The texts of /proc itself, in the form of Linux 6.12.
extension FileSystems {
  func writeSystem(_ file: ProcessFile, to writer: inout TextWriter<Environment>) {
    switch file {
    case .meminfo: writeMemoryInformation(to: &writer)
    case .memoryStatistics: writeMemoryStatistics(to: &writer)
    case .zoneinfo: writeZones(to: &writer)
    case .buddyinfo: writeBuddyInformation(to: &writer)
    case .pagetypeinfo: writePageTypes(to: &writer)
    case .slabinfo: writeSlabs(to: &writer)
    case .vmallocinfo: writeVirtualAreas(to: &writer)
    case .cpuinfo: writeProcessor(to: &writer)
    case .uptime: writeUptime(to: &writer)
    case .version:
      writer.put("Linux version 6.12.0-quire (quire@quire) (swiftc, LLD) #1 Quire\n")
    case .filesystems:
      writer.put("nodev\tsysfs\nnodev\ttmpfs\nnodev\tproc\nnodev\tdevtmpfs\nnodev\tpipefs\n")
      writer.put("nodev\tdevpts\n\text2\n")
    case .stat: writeSystemStat(to: &writer)
    case .loadAverage: writeLoad(to: &writer)
    case .commandLine: writeCommandLine(to: &writer)
    case .devices:
      writer.put("Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/console\n  5 /dev/ptmx\n")
      writer.put("128 ptm\n136 pts\n\nBlock devices:\n254 virtblk\n")
    case .swaps: writer.put("Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n")
    case .diskStatistics: writeDiskStatistics(to: &writer)
    case .partitions: writePartitions(to: &writer)
    default: break
    }
  }

  /// Linux: `show_cpuinfo()`. The model is the one that the machine is started with.
  private func writeProcessor(to writer: inout TextWriter<Environment>) {
    writer.put("processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 26\n")
    writer.put("model name\t: Intel Core i7 9xx (Nehalem Core i7, IBRS update)\nstepping\t: 3\n")
    writer.put("cpu MHz\t\t: 1000.000\ncache size\t: 16384 KB\nphysical id\t: 0\nsiblings\t: 1\n")
    writer.put("core id\t\t: 0\ncpu cores\t: 1\napicid\t\t: 0\ninitial apicid\t: 0\n")
    writer.put("fpu\t\t: yes\nfpu_exception\t: yes\ncpuid level\t: 11\nwp\t\t: yes\n")
    writer.put("flags\t\t: fpu de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36")
    writer.put(" clflush mmx fxsr sse sse2 syscall nx lm constant_tsc rep_good nopl")
    writer.put(" xtopology cpuid pni ssse3 cx16 sse4_1 sse4_2 popcnt hypervisor lahf_lm\n")
    writer.put("bugs\t\t:\nbogomips\t: 2000.00\n")
    writer.put("clflush size\t: 64\ncache_alignment\t: 64\n")
    writer.put("address sizes\t: 40 bits physical, 48 bits virtual\npower management:\n\n")
  }

  /// Seconds with two decimals.
  private func putSeconds(_ nanoseconds: UInt64, _ writer: inout TextWriter<Environment>) {
    let hundredths = ticks(nanoseconds)
    writer.put(hundredths / 100)
    writer.put(".")
    writer.put(hundredths % 100, width: 2, padding: 0x30)
  }

  /// Linux: `uptime_proc_show()`.
  private func writeUptime(to writer: inout TextWriter<Environment>) {
    putSeconds(machine.now.nanoseconds, &writer)
    writer.put(" ")
    putSeconds(environment.activity.idleTime, &writer)
    writer.put("\n")
  }

  /// Linux: `show_stat()`.
  private func writeSystemStat(to writer: inout TextWriter<Environment>) {
    let activity = environment.activity
    for line in 0..<2 {
      writer.put(line == 0 ? "cpu  " : "cpu0 ")
      writer.put(ticks(activity.userTime))
      writer.put(" 0 ")
      writer.put(ticks(activity.systemTime))
      writer.put(" ")
      writer.put(ticks(activity.idleTime))
      writer.put(" 0 0 0 0 0 0\n")
    }
    writer.put("intr 0\nctxt ")
    writer.put(activity.switchCount)
    writer.put("\nbtime ")
    writer.put(state.value.bootTime)
    writer.put("\nprocesses ")
    writer.put(activity.forkCount)
    writer.put("\nprocs_running ")
    writer.put(UInt64(activity.runnableCount))
    writer.put("\nprocs_blocked ")
    writer.put(UInt64(activity.blockedCount))
    writer.put("\nsoftirq 0 0 0 0 0 0 0 0 0 0 0\n")
  }

  /// Linux: `loadavg_proc_show()`.
  private func writeLoad(to writer: inout TextWriter<Environment>) {
    let activity = environment.activity
    writer.put("0.00 0.00 0.00 ")
    writer.put(UInt64(activity.runnableCount))
    writer.put("/")
    writer.put(UInt64(activity.threadCount))
    writer.put(" ")
    writer.put(UInt64(activity.lastIdentifier))
    writer.put("\n")
  }

  /// The words of the kernel's command line. Linux: `cmdline_proc_show()`.
  private func writeCommandLine(to writer: inout TextWriter<Environment>) {
    var index = 0
    while let word = environment.bootWord(index) {
      if index > 0 { writer.put(" ") }
      writer.put(bytes: word, at: 0, byteCount: word.byteCount)
      index += 1
    }
    writer.put("\n")
  }

  /// Linux: `diskstats_show()`.
  private func writeDiskStatistics(to writer: inout TextWriter<Environment>) {
    for index in 0..<Disk.count where hasDisk(index) {
      writer.put(index == Disk.root ? " 254       0 vda " : " 254      16 vdb ")
      writeCounts(of: index, isAligned: false, to: &writer)
    }
  }

  /// The seventeen numbers of a disk. Linux: `part_stat_show()`.
  func writeCounts(
    of disk: Int, isAligned: Bool, to writer: inout TextWriter<Environment>
  ) {
    let counts = state.value.disks[disk].counts
    let shown: InlineArray<17, UInt64> = [
      counts.readCount, 0, counts.readSectors, 0, counts.writeCount, 0, counts.writtenSectors, 0,
      transferCount(of: disk), 0, 0, 0, 0, 0, 0, counts.flushCount, 0,
    ]
    for index in 0..<17 {
      if index > 0 { writer.put(" ") }
      writer.put(shown[index], width: isAligned ? 8 : 0)
    }
    writer.put("\n")
  }

  private func transferCount(of disk: Int) -> UInt64 {
    var count: UInt64 = 0
    for tag in 0..<DiskTransfer.maximumInFlight
    where state.value.requests[tag].isInFlight && Int(state.value.requests[tag].disk) == disk {
      count += 1
    }
    return count
  }

  /// Linux: `show_partition()`.
  private func writePartitions(to writer: inout TextWriter<Environment>) {
    writer.put("major minor  #blocks  name\n\n")
    for index in 0..<Disk.count where hasDisk(index) {
      writer.put(index == Disk.root ? " 254        0 " : " 254       16 ")
      writer.put(state.value.disks[index].byteCount / 1024, width: 10)
      writer.put(index == Disk.root ? " vda\n" : " vdb\n")
    }
  }

  /// Linux: `show_mountinfo()`.
  func writeMountInformation(to writer: inout TextWriter<Environment>) {
    for number in 0..<MountPlace.count {
      guard let place = MountPlace(rawValue: number), isMounted(place) else { continue }
      writer.put(place.number)
      writer.put(" ")
      writer.put(above(place).number)
      writer.put(" ")
      writer.put(UInt64(place.device.major))
      writer.put(":")
      writer.put(UInt64(place.device.minor))
      writer.put(" / ")
      writer.put(place.path)
      writer.put(isReadOnly(place) ? " ro," : " rw,")
      writer.put(place.options)
      writer.put(" - ")
      writer.put(place.kind)
      writer.put(" ")
      writer.put(place.source)
      writer.put(isReadOnly(place) ? " ro\n" : " rw\n")
    }
  }

  /// What a file system is mounted in; of the root, nothing that has a line.
  private func above(_ place: MountPlace) -> MountPlace {
    let folder = state.value.mounts[Int(place.rawValue)].folder.reference
    return folder.map { heap[$0].volume } ?? .nameless
  }

  /// Linux: `show_vfsmnt()`.
  func writeMounts(to writer: inout TextWriter<Environment>) {
    for number in 0..<MountPlace.count {
      guard let place = MountPlace(rawValue: number), isMounted(place) else { continue }
      writer.put(place.source)
      writer.put(" ")
      writer.put(place.path)
      writer.put(" ")
      writer.put(place.kind)
      writer.put(isReadOnly(place) ? " ro," : " rw,")
      writer.put(place.options)
      writer.put(" 0 0\n")
    }
  }
}
