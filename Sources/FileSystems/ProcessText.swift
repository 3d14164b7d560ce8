// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageTableFormats

/// The texts of /proc/PID, in the form of Linux 6.12.
extension FileSystems {
  /// Linux: `show_map_vma()`.
  func writeMaps(
    of space: Reference<AddressSpace>, to writer: inout TextWriter<Environment>
  ) throws(Errno) {
    var place = VirtualAddress(0)
    while let area = spaces.describeArea(of: space, from: place), !writer.hasFailed {
      place = area.end
      writeArea(area, to: &writer)
    }
  }

  /// One area's line.
  func writeArea(_ area: AreaDescription, to writer: inout TextWriter<Environment>) {
    // A path is read from its folder's pages, so the task may sleep between two areas.
    let inode = area.file.flatMap { self.inode(of: $0) }
    if let inode { retain(inode) }
    defer { if let inode { release(inode) } }
    writeHead(of: area, inode, to: &writer)
    if let inode {
      writer.pad(to: Self.mapsPathColumn)
      writePath(of: inode, to: &writer)
    } else if area.name != .none {
      writer.pad(to: Self.mapsPathColumn)
      writer.put(area.name == .heap ? "[heap]" : "[stack]")
    }
    writer.put("\n")
  }

  private static var mapsPathColumn: Int { 73 }

  /// The inode that owns a file; nil of the disk itself.
  ///
  /// - Precondition: somebody holds the file, and so its inode is in memory.
  private func inode(of file: Reference<CachedFile>) -> Reference<Inode>? {
    let owner = heap[file].owner
    return owner == 0 ? nil : Reference<Inode>(raw: owner)
  }

  private func writeHead(
    of area: AreaDescription, _ inode: Reference<Inode>?, to writer: inout TextWriter<Environment>
  ) {
    let device = inode.map { heap[$0].treeDevice } ?? DeviceNumber(major: 0, minor: 0)
    writer.beginLine()
    writer.put(hexadecimal: area.start.value, width: 8)
    writer.put("-")
    writer.put(hexadecimal: area.end.value, width: 8)
    writer.put(" ")
    writer.put(area.protection.contains(.read) ? "r" : "-")
    writer.put(area.protection.contains(.write) ? "w" : "-")
    writer.put(area.protection.contains(.execute) ? "x" : "-")
    writer.put(area.attributes.contains(.shared) ? "s " : "p ")
    writer.put(hexadecimal: area.offset, width: 8)
    writer.put(" ")
    writer.put(hexadecimal: UInt64(device.major), width: 2)
    writer.put(":")
    writer.put(hexadecimal: UInt64(device.minor), width: 2)
    writer.put(" ")
    writer.put(inode.map { heap[$0].number } ?? 0)
    writer.put(" ")
  }

  /// A path with its line ends escaped; nothing where it cannot be read.
  private func writePath(of inode: Reference<Inode>, to writer: inout TextWriter<Environment>) {
    guard let first = try? allocateFrames(PathText.bufferOrder) else { return }
    defer { freeFrames(first, PathText.bufferOrder) }
    let block = machine.directMap.block(
      at: first.address, byteCount: PathText.bufferOrder.pageCount.bytes)
    guard let path = try? path(of: inode, in: block) else { return }
    for place in path.start..<path.end {
      let byte = block.load(UInt8.self, at: place)
      if byte == 0x0A {
        writer.put("\\012")
      } else {
        writer.put(byte: byte)
      }
    }
  }

  func writeName(of process: ProcessDescription, to writer: inout TextWriter<Environment>) {
    for index in 0..<16 {
      let byte = process.name[index]
      if byte == 0 { return }
      writer.put(byte: byte)
    }
  }

  /// Linux: `do_task_stat()`.
  func writeStat(of process: ProcessDescription, to writer: inout TextWriter<Environment>) {
    writer.put(UInt64(process.number))
    writer.put(" (")
    writeName(of: process, to: &writer)
    writer.put(") ")
    writer.put(byte: process.state)
    put(&writer, UInt64(process.parent), UInt64(process.group), UInt64(process.session))
    put(&writer, UInt64(process.terminal))
    writer.put(" ")
    writer.put(signed: Int64(process.foregroundGroup))
    put(&writer, UInt64(process.flags))
    let space = process.space.map { heap[$0] }
    put(&writer, space?.minorFaultCount ?? 0, process.childrenMinorFaultCount)
    put(&writer, space?.majorFaultCount ?? 0, process.childrenMajorFaultCount)
    put(&writer, ticks(process.userTime), ticks(process.systemTime))
    put(&writer, ticks(process.childrenTime), ticks(process.childrenSystemTime))
    writer.put(" ")
    writer.put(signed: Int64(process.niceness) + 20)
    writer.put(" ")
    writer.put(signed: Int64(process.niceness))
    put(&writer, UInt64(process.threadCount), 0, ticks(process.started.nanoseconds))
    put(&writer, space?.pageCount.bytes.value ?? 0, UInt64(space?.residentCount.value ?? 0))
    put(&writer, environment.resourceLimit(5, of: process.leader)?.current ?? .max)
    put(&writer, space?.codeStart.value ?? 0, space?.codeEnd.value ?? 0)
    put(&writer, space?.stackStart.value ?? 0, 0, 0)
    // Signals of numbers below 32 only, as Linux has them here.
    let low: UInt64 = 0x7FFF_FFFF
    put(&writer, process.ownPendingSignals & low, process.blockedSignals & low)
    put(&writer, process.ignoredSignals & low, process.caughtSignals & low)
    // wchan, nswap, cnswap
    put(&writer, process.sleeps ? 1 : 0, 0, 0)
    // exit signal, processor, priority, policy, delays, guest times
    put(&writer, UInt64(process.exitSignal), 0, 0, 0)
    put(&writer, 0, 0, 0)
    put(&writer, space?.dataStart.value ?? 0, space?.dataEnd.value ?? 0)
    put(&writer, space?.breakStart.value ?? 0, space?.argumentStart.value ?? 0)
    put(&writer, space?.argumentEnd.value ?? 0, space?.argumentEnd.value ?? 0)
    put(&writer, space?.environmentEnd.value ?? 0, UInt64(process.exitCode))
    writer.put("\n")
  }

  /// Numbers, each after a space.
  private func put(
    _ writer: inout TextWriter<Environment>, _ first: UInt64, _ second: UInt64? = nil,
    _ third: UInt64? = nil, _ fourth: UInt64? = nil
  ) {
    writer.put(" ")
    writer.put(first)
    if let second { put(&writer, second) }
    if let third { put(&writer, third) }
    if let fourth { put(&writer, fourth) }
  }

  /// Hundredths of a second. Linux: `USER_HZ`.
  func ticks(_ nanoseconds: UInt64) -> UInt64 { nanoseconds / 10_000_000 }

  /// Linux: `proc_pid_statm()`.
  func writeStatm(of process: ProcessDescription, to writer: inout TextWriter<Environment>) {
    guard let space = process.space else { return writer.put("0 0 0 0 0 0 0\n") }
    let value = heap[space]
    let totals = areaTotals(of: space)
    writer.put(UInt64(value.pageCount.value))
    put(&writer, UInt64(value.residentCount.value))
    put(&writer, UInt64((value.fileCount + value.sharedCount).value))
    put(&writer, UInt64(codePageCount(of: value).value), 0)
    put(&writer, UInt64((totals.data + totals.stack).value), 0)
    writer.put("\n")
  }

  func codePageCount(of space: AddressSpace) -> PageCount {
    guard space.codeStart < space.codeEnd else { return .zero }
    let start = space.codeStart.roundedDownToPage
    return (space.codeEnd - start).pagesRoundedUp
  }

  /// Pages of areas by what they are for. Linux: `vm_stat_account()`.
  func areaTotals(of space: Reference<AddressSpace>) -> AreaTotals {
    var totals = AreaTotals()
    var place = VirtualAddress(0)
    while let area = spaces.describeArea(of: space, from: place) {
      place = area.end
      let count = (area.end - area.start).wholePages
      let isWritable = area.protection.contains(.write)
      if area.attributes.contains(.growsDown) {
        totals.stack += count
      } else if area.protection.contains(.execute), !isWritable {
        totals.code += count
      } else if isWritable, !area.attributes.contains(.shared) {
        totals.data += count
      }
    }
    return totals
  }
}

/// Pages of a program's areas by what they are for.
struct AreaTotals: BitwiseCopyable {
  var data = PageCount.zero
  var stack = PageCount.zero
  var code = PageCount.zero
}
