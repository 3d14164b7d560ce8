// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// The smaller texts of /proc/PID, in the form of Linux 6.12.
extension FileSystems {
  /// Linux: `proc_pid_limits()`.
  func writeLimits(of process: UInt32, to writer: inout TextWriter<Environment>) {
    writer.put("Limit                     Soft Limit           Hard Limit           Units     \n")
    for index in 0..<16 {
      guard let resource = Resource(rawValue: index),
        let limit = environment.resourceLimit(index, of: process)
      else { continue }
      writer.beginLine()
      writer.put(limitName(resource))
      writer.pad(to: 26)
      putLimit(limit.current, &writer)
      writer.pad(to: 47)
      putLimit(limit.maximum, &writer)
      writer.pad(to: 68)
      writer.put(limitUnit(resource))
      if resource != .nice, resource != .realtimePriority { writer.pad(to: 78) }
      writer.put("\n")
    }
  }

  private func putLimit(_ value: UInt64, _ writer: inout TextWriter<Environment>) {
    if value == ResourceLimit.infinity { return writer.put("unlimited") }
    writer.put(value)
  }

  private func limitName(_ resource: Resource) -> StaticString {
    switch resource {
    case .processorTime: "Max cpu time"
    case .fileSize: "Max file size"
    case .data: "Max data size"
    case .stack: "Max stack size"
    case .core: "Max core file size"
    case .residentSet: "Max resident set"
    case .processes: "Max processes"
    case .openFiles: "Max open files"
    case .lockedMemory: "Max locked memory"
    case .addressSpace: "Max address space"
    case .fileLocks: "Max file locks"
    case .pendingSignals: "Max pending signals"
    case .messageQueue: "Max msgqueue size"
    case .nice: "Max nice priority"
    case .realtimePriority: "Max realtime priority"
    case .realtimeTime: "Max realtime timeout"
    }
  }

  private func limitUnit(_ resource: Resource) -> StaticString {
    switch resource {
    case .processorTime: "seconds"
    case .processes: "processes"
    case .openFiles: "files"
    case .fileLocks: "locks"
    case .pendingSignals: "signals"
    case .nice, .realtimePriority: ""
    case .realtimeTime: "us"
    default: "bytes"
    }
  }

  /// Linux: `do_io_accounting()`.
  func writeTransfers(of counts: TransferCounts, to writer: inout TextWriter<Environment>) {
    transfer("rchar: ", counts.readBytes, &writer)
    transfer("wchar: ", counts.writtenBytes, &writer)
    transfer("syscr: ", counts.readCalls, &writer)
    transfer("syscw: ", counts.writeCalls, &writer)
    transfer("read_bytes: ", counts.diskReadBytes, &writer)
    transfer("write_bytes: ", counts.diskWrittenBytes, &writer)
    transfer("cancelled_write_bytes: ", counts.cancelledBytes, &writer)
  }

  private func transfer(
    _ name: StaticString, _ value: UInt64, _ writer: inout TextWriter<Environment>
  ) {
    writer.put(name)
    writer.put(value)
    writer.put("\n")
  }

  /// Linux: `seq_show()` of `fs/proc/fd.c`.
  func writeDescriptorFact(
    _ node: ProcessNode, to writer: inout TextWriter<Environment>
  ) throws(Errno) {
    let leader = leader(of: node)
    guard let file = environment.openFile(descriptor: node.descriptor, of: leader) else {
      throw .ENOENT
    }
    writer.put("pos:\t")
    writer.put(heap[file].position)
    writer.put("\nflags:\t0")
    var flags = UInt64(heap[file].flags.rawValue)
    if environment.closesOnExecute(descriptor: node.descriptor, of: leader) {
      flags |= UInt64(OpenFlags.closeOnExecute.rawValue)
    }
    writer.put(octal: flags | UInt64(OpenFlags.largeFile.rawValue))
    writer.put("\nmnt_id:\t")
    writer.put(mountNumber(of: heap[file].inode))
    writer.put("\nino:\t")
    writer.put(heap[heap[file].inode].number)
    writer.put("\n")
  }

  /// Linux: `proc_pid_oom_score()` and its neighbours.
  func writeMemoryPressure(
    _ file: ProcessFile, of process: ProcessDescription,
    to writer: inout TextWriter<Environment>
  ) {
    let adjustment = Int64(process.outOfMemoryAdjustment)
    switch file {
    case .outOfMemoryScore: writer.put(UInt64(process.outOfMemoryScore))
    case .outOfMemoryAdjustment: writer.put(signed: adjustment)
    default:
      // Linux: `oom_adj_read()`.
      writer.put(signed: adjustment == 1000 ? 15 : adjustment * 17 / 1000)
    }
    writer.put("\n")
  }

  /// The arguments as they are now; where the program wrote over their end, up to the next end
  /// mark behind them. Linux: `get_mm_cmdline()`.
  func writeArguments(
    of space: Reference<AddressSpace>, to writer: inout TextWriter<Environment>
  ) {
    let start = heap[space].argumentStart
    let end = heap[space].argumentEnd
    guard start < end else { return }
    var last = InlineArray<1, UInt64>(repeating: 0)
    let isTerminated = withMemoryBlock(over: &last) { block in
      let place = VirtualAddress(end.value - 1)
      let count = copy(from: .program(place, in: space), byteCount: 1, to: block, at: 0)
      return count < 1 || block.load(UInt8.self, at: 0) == 0
    }
    guard !isTerminated else { return writeBytes(of: space, start, end, to: &writer) }
    writeBytes(of: space, start, heap[space].environmentEnd, upToEndMark: true, to: &writer)
  }

  /// A program's own bytes, up to the first that cannot be read, or the first end mark.
  func writeBytes(
    of space: Reference<AddressSpace>, _ start: VirtualAddress, _ end: VirtualAddress,
    upToEndMark: Bool = false, to writer: inout TextWriter<Environment>
  ) {
    guard start < end, let frame = try? allocateFrames(.zero) else { return }
    defer { freeFrames(frame, .zero) }
    let block = bytes(of: frame)
    var place = start
    while place < end, !writer.hasFailed {
      let count = Int(min((end - place).value, 4096 - place.offsetInPage.value))
      let copied = copy(from: .program(place, in: space), byteCount: count, to: block, at: 0)
      var length = copied
      if upToEndMark {
        length = 0
        while length < copied, block.load(UInt8.self, at: length) != 0 { length += 1 }
      }
      writer.put(bytes: block, at: 0, byteCount: length)
      if length < copied { writer.put(byte: 0) }
      if length < count { return }
      place = place + ByteCount(UInt64(count))
    }
  }

  /// The number that /proc/PID/mountinfo gives a file's mount.
  func mountNumber(of inode: Reference<Inode>) -> UInt64 { heap[inode].volume.number }
}
