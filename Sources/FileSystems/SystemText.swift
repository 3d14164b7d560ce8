// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// The texts of /proc itself and of /proc/sys, in the form of Linux 6.12.
extension FileSystems {
  func writeSystem(_ file: ProcessFile, to writer: inout TextWriter<Environment>) {
    switch file {
    case .meminfo: writeMemoryInformation(to: &writer)
    case .cpuinfo: writeProcessor(to: &writer)
    case .uptime: writeUptime(to: &writer)
    case .version:
      writer.put("Linux version 6.12.0-quire (quire@quire) (swiftc, LLD) #1\n")
    case .filesystems: writer.put("nodev\tproc\nnodev\tdevtmpfs\nnodev\tpipefs\n\text2\n")
    case .stat: writeSystemStat(to: &writer)
    case .loadAverage: writeLoad(to: &writer)
    case .commandLine: writer.put("\n")
    case .systemType: writer.put("Linux\n")
    case .release: writer.put("6.12.0-quire\n")
    case .systemVersion: writer.put("#1\n")
    case .hostName: writer.put("quire\n")
    case .processLimit: writer.put("32768\n")
    case .groupLimit: writer.put("65536\n")
    case .overcommit: writer.put("0\n")
    case .areaLimit: writer.put("65530\n")
    case .smallestAddress: writer.put("4096\n")
    default: break
    }
  }

  /// Linux: `show_cpuinfo()`. The model is the one that the machine is started with.
  private func writeProcessor(to writer: inout TextWriter<Environment>) {
    writer.put("processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 26\n")
    writer.put("model name\t: Intel Core i7 9xx (Nehalem Class Core i7)\nstepping\t: 3\n")
    writer.put("cpu MHz\t\t: 1000.000\ncache size\t: 16384 KB\nphysical id\t: 0\nsiblings\t: 1\n")
    writer.put("core id\t\t: 0\ncpu cores\t: 1\napicid\t\t: 0\ninitial apicid\t: 0\n")
    writer.put("fpu\t\t: yes\nfpu_exception\t: yes\ncpuid level\t: 11\nwp\t\t: yes\n")
    writer.put("flags\t\t: fpu de pse tsc msr pae mce cx8 apic sep mtrr pge mca cmov pat pse36")
    writer.put(" clflush mmx fxsr sse sse2 syscall nx lm pni ssse3 cx16 sse4_1 sse4_2 popcnt")
    writer.put(" hypervisor lahf_lm\nbogomips\t: 2000.00\nclflush size\t: 64\n")
    writer.put("cache_alignment\t: 64\naddress sizes\t: 40 bits physical, 48 bits virtual\n")
    writer.put("power management:\n\n")
  }

  /// Linux: `uptime_proc_show()`. Time that the CPU is idle is not told apart.
  private func writeUptime(to writer: inout TextWriter<Environment>) {
    let hundredths = ticks(machine.now.nanoseconds)
    writer.put(hundredths / 100)
    writer.put(".")
    writer.put(hundredths % 100, width: 2, padding: 0x30)
    writer.put(" 0.00\n")
  }

  /// Linux: `show_stat()`.
  private func writeSystemStat(to writer: inout TextWriter<Environment>) {
    let all = ticks(machine.now.nanoseconds)
    writer.put("cpu  ")
    writer.put(all)
    writer.put(" 0 0 0 0 0 0 0 0 0\ncpu0 ")
    writer.put(all)
    writer.put(" 0 0 0 0 0 0 0 0 0\nintr 0\nctxt 0\nbtime ")
    writer.put(state.value.bootTime)
    writer.put("\nprocesses ")
    writer.put(UInt64(processCounts().last))
    writer.put("\nprocs_running 1\nprocs_blocked 0\n")
  }

  /// Linux: `loadavg_proc_show()`.
  private func writeLoad(to writer: inout TextWriter<Environment>) {
    let counts = processCounts()
    writer.put("0.00 0.00 0.00 1/")
    writer.put(UInt64(counts.count))
    writer.put(" ")
    writer.put(UInt64(counts.last))
    writer.put("\n")
  }

  private func processCounts() -> (count: UInt32, last: UInt32) {
    var count: UInt32 = 0
    var last: UInt32 = 0
    while let next = environment.firstProcess(after: last) {
      count += 1
      last = next
    }
    return (count, last)
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
