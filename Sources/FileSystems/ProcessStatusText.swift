// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageFrames
import PageTables

/// /proc/PID/status in the form of Linux 6.12.
extension FileSystems {
  /// Linux: `proc_pid_status()`.
  func writeStatus(of process: ProcessDescription, to writer: inout TextWriter<Environment>) {
    writer.put("Name:\t")
    writeName(of: process, to: &writer)
    writer.put("\nUmask:\t")
    writer.put(octal: UInt64(process.fileCreationMask), width: 4)
    writer.put("\nState:\t")
    writer.put(byte: process.state)
    writer.put(stateName(process.state))
    line("Tgid", process.leader, &writer)
    writer.put("Ngid:\t0\n")
    line("Pid", process.number, &writer)
    line("PPid", process.parent, &writer)
    writer.put("TracerPid:\t0\n")
    writeOwners(of: process, to: &writer)
    line("FDSize", process.descriptorSlotCount, &writer)
    writeGroups(of: process, to: &writer)
    line("NStgid", process.leader, &writer)
    line("NSpid", process.number, &writer)
    line("NSpgid", process.group, &writer)
    line("NSsid", process.session, &writer)
    writer.put(process.space == nil ? "Kthread:\t1\n" : "Kthread:\t0\n")
    if let space = process.space { writeMemory(of: space, to: &writer) }
    line("Threads", process.threadCount, &writer)
    writer.put("SigQ:\t")
    writer.put(UInt64(process.queuedSignalCount))
    writer.put("/")
    writer.put(environment.resourceLimit(11, of: process.leader)?.current ?? 0)
    writer.put("\n")
    mask("SigPnd", process.ownPendingSignals, &writer)
    mask("ShdPnd", process.pendingSignals, &writer)
    mask("SigBlk", process.blockedSignals, &writer)
    mask("SigIgn", process.ignoredSignals, &writer)
    mask("SigCgt", process.caughtSignals, &writer)
    mask("CapInh", process.inheritableCapabilities, &writer)
    mask("CapPrm", process.permittedCapabilities, &writer)
    mask("CapEff", process.effectiveCapabilities, &writer)
    mask("CapBnd", process.boundingCapabilities, &writer)
    mask("CapAmb", process.ambientCapabilities, &writer)
    writer.put(process.gainsNothing ? "NoNewPrivs:\t1\n" : "NoNewPrivs:\t0\n")
    writer.put("Seccomp:\t0\nSeccomp_filters:\t0\n")
    writer.put("Cpus_allowed:\t1\nCpus_allowed_list:\t0\n")
    writer.put("Mems_allowed:\t1\nMems_allowed_list:\t0\n")
    writer.put("voluntary_ctxt_switches:\t")
    writer.put(process.voluntarySwitchCount)
    writer.put("\nnonvoluntary_ctxt_switches:\t")
    writer.put(process.forcedSwitchCount)
    writer.put("\n")
  }

  /// Linux: `task_mem()`.
  private func writeMemory(
    of space: Reference<AddressSpace>, to writer: inout TextWriter<Environment>
  ) {
    let value = heap[space]
    let totals = areaTotals(of: space)
    let code = min(codePageCount(of: value), totals.code)
    kibibytes("VmPeak", value.peakPageCount, &writer)
    kibibytes("VmSize", value.pageCount, &writer)
    kibibytes("VmLck", value.lockedPageCount, &writer)
    kibibytes("VmPin", .zero, &writer)
    kibibytes("VmHWM", value.peakResidentCount, &writer)
    kibibytes("VmRSS", value.residentCount, &writer)
    kibibytes("RssAnon", value.anonymousCount, &writer)
    kibibytes("RssFile", value.fileCount, &writer)
    kibibytes("RssShmem", value.sharedCount, &writer)
    kibibytes("VmData", totals.data, &writer)
    kibibytes("VmStk", totals.stack, &writer)
    kibibytes("VmExe", code, &writer)
    kibibytes("VmLib", totals.code - code, &writer)
    kibibytes("VmPTE", tablePageCount(of: space), &writer)
    kibibytes("VmSwap", .zero, &writer)
    writer.put("CoreDumping:\t0\nTHP_enabled:\t0\nuntag_mask:\t0xffffffffffffffff\n")
  }

  /// Page tables of a space below its root. Linux: `mm_pgtables_bytes()`.
  private func tablePageCount(of space: Reference<AddressSpace>) -> PageCount {
    environment.tables.tableCount(heap[space].root)
  }

  private func stateName(_ state: UInt8) -> StaticString {
    switch state {
    case 0x52: " (running)\n"
    case 0x44: " (disk sleep)\n"
    case 0x54: " (stopped)\n"
    case 0x5A: " (zombie)\n"
    case 0x58: " (dead)\n"
    default: " (sleeping)\n"
    }
  }

  private func line(
    _ name: StaticString, _ value: UInt32, _ writer: inout TextWriter<Environment>
  ) {
    writer.put(name)
    writer.put(":\t")
    writer.put(UInt64(value))
    writer.put("\n")
  }

  private func writeOwners(
    of process: ProcessDescription, to writer: inout TextWriter<Environment>
  ) {
    writer.put("Uid:")
    owner(process.user, &writer)
    owner(process.effectiveUser, &writer)
    owner(process.savedUser, &writer)
    owner(process.fileUser, &writer)
    writer.put("\nGid:")
    owner(process.userGroup, &writer)
    owner(process.effectiveGroup, &writer)
    owner(process.savedGroup, &writer)
    owner(process.fileGroup, &writer)
    writer.put("\n")
  }

  private func owner(_ number: UInt32, _ writer: inout TextWriter<Environment>) {
    writer.put("\t")
    writer.put(UInt64(number))
  }

  /// Each with a space behind it, as Linux has it; a space alone where there is none.
  private func writeGroups(
    of process: ProcessDescription, to writer: inout TextWriter<Environment>
  ) {
    writer.put("Groups:\t")
    var isEmpty = true
    environment.visitGroups(of: process.number) { group in
      isEmpty = false
      writer.put(UInt64(group))
      writer.put(" ")
    }
    writer.put(isEmpty ? " \n" : "\n")
  }

  private func mask(
    _ name: StaticString, _ value: UInt64, _ writer: inout TextWriter<Environment>
  ) {
    writer.put(name)
    writer.put(":\t")
    writer.put(hexadecimal: value, width: 16)
    writer.put("\n")
  }

  private func kibibytes(
    _ name: StaticString, _ count: PageCount, _ writer: inout TextWriter<Environment>
  ) {
    writer.put(name)
    writer.put(":\t")
    writer.put(count.kibibytes, width: 8)
    writer.put(" kB\n")
  }
}
