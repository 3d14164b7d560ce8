// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageFrames

/// Files of /proc and /sys: their text is made when they are opened and does not change afterwards.
extension FileSystems {
  /// Checks at opening what the text will be made of.
  ///
  /// - Throws: ESRCH where the process is gone, EACCES. Linux: `proc_mem_open()`.
  func checkText(of file: Reference<OpenFile>) throws(Errno) {
    let inode = heap[file].inode
    guard heap[inode].tree == .processes else { return }
    let node = ProcessNode(heap[inode].number)
    guard node.process != 0 else { return }
    guard let process = describe(node) else { throw .ESRCH }
    if Self.isGuarded(node.file), !environment.mayInspect(process.leader) { throw .EACCES }
  }

  /// - Throws: ESRCH where the process is gone, ENOMEM.
  /// - Context: may sleep.
  private func makeText(of file: Reference<OpenFile>) throws(Errno) {
    let inode = heap[file].inode
    var writer = TextWriter(self)
    do throws(Errno) {
      if heap[inode].tree == .system {
        writeSystemFile(SystemNode(heap[inode].number), to: &writer)
      } else {
        try write(ProcessNode(heap[inode].number), to: &writer)
      }
      guard !writer.hasFailed else { throw .ENOMEM }
    } catch {
      freeChain(writer.firstFrame)
      throw error
    }
    heap[file].firstTextFrame = writer.firstFrame
    heap[file].textByteCount = writer.byteCount
  }

  func freeText(of file: Reference<OpenFile>) {
    freeChain(heap[file].firstTextFrame)
    heap[file].firstTextFrame = 0
    heap[file].textByteCount = 0
  }

  private func freeChain(_ first: UInt32) {
    var next = first
    while next != 0 {
      let frame = PageFrameNumber(next)
      next = frames.table[frame].privateWord
      freeFrames(frame, .zero)
    }
  }

  /// Reads on in the text that was made when its start was read; the start, and any other place,
  /// is read of what there is now.
  ///
  /// - Throws: ESRCH, EFAULT, ENOMEM.
  /// - Context: may sleep; one task at a time.
  /// - Complexity: O(pages before the position).
  ///
  /// Linux: `seq_read_iter()`.
  func readText(
    of file: Reference<OpenFile>, at position: UInt64, to target: TransferMemory, byteCount: Int
  ) throws(Errno) -> Int {
    let inode = heap[file].inode
    if heap[inode].tree == .processes, ProcessNode(heap[inode].number).file == .pagemap {
      return try readPageMap(of: file, at: position, to: target, byteCount: byteCount)
    }
    let key = SleepKey.object(file.raw, channel: 0x74)
    while heap[file].isTextBusy { environment.sleep(on: key) }
    heap[file].isTextBusy = true
    defer {
      heap[file].isTextBusy = false
      environment.wake(key)
    }
    if position == 0 || position != heap[file].textEnd {
      freeText(of: file)
      try makeText(of: file)
    }
    let done = try copyText(of: file, at: position, to: target, byteCount: byteCount)
    heap[file].textEnd = position + UInt64(done)
    return done
  }

  private func copyText(
    of file: Reference<OpenFile>, at position: UInt64, to target: TransferMemory, byteCount: Int
  ) throws(Errno) -> Int {
    let size = heap[file].textByteCount
    guard position < size else { return 0 }
    let total = Int(min(UInt64(byteCount), size - position))
    var frame = heap[file].firstTextFrame
    for _ in 0..<(position >> 12) { frame = frames.table[PageFrameNumber(frame)].privateWord }
    var done = 0
    while done < total {
      let offset = Int((position + UInt64(done)) & 4095)
      let count = min(total - done, 4096 - offset)
      let copied = copy(
        from: bytes(of: PageFrameNumber(frame)), at: offset, byteCount: count,
        to: target.advanced(by: done))
      done += copied
      if copied < count { break }
      frame = frames.table[PageFrameNumber(frame)].privateWord
    }
    guard done > 0 || total == 0 else { throw .EFAULT }
    return done
  }

  private func write(
    _ node: ProcessNode, to writer: inout TextWriter<Environment>
  ) throws(Errno) {
    guard node.process != 0 else {
      return node.file.isSetting
        ? writeSetting(node.file, to: &writer) : writeSystem(node.file, to: &writer)
    }
    guard let process = describe(node) else { throw .ESRCH }
    if Self.isGuarded(node.file), !environment.mayInspect(process.leader) { throw .EACCES }
    let space = process.space
    if let space { spaces.retain(space) }
    defer { if let space { spaces.release(space) } }
    if let space, try write(node.file, ofMemory: space, to: &writer) { return }
    switch node.file {
    case .processStat: writeStat(of: process, to: &writer)
    case .processStatm: writeStatm(of: process, to: &writer)
    case .status: writeStatus(of: process, to: &writer)
    case .limits: writeLimits(of: process.leader, to: &writer)
    case .name:
      writeName(of: process, to: &writer)
      writer.put("\n")
    case .mounts: writeMounts(to: &writer)
    case .mountInformation: writeMountInformation(to: &writer)
    case .io: writeTransfers(of: process.transfer, to: &writer)
    case .outOfMemoryScore, .outOfMemoryAdjustment, .outOfMemoryLegacy:
      writeMemoryPressure(node.file, of: process, to: &writer)
    case .waitChannel: writer.put("0")
    case .controlGroup: writer.put("0::/\n")
    case .loginUser, .session: writer.put("4294967295")
    case .personality: writer.put("00000000\n")
    case .descriptorFact: try writeDescriptorFact(node, to: &writer)
    // The kernel's own have no memory to tell of.
    case .maps, .smaps, .smapsRollup, .arguments, .environment, .auxiliary, .pagemap: break
    default: throw .EINVAL
    }
  }

  /// Files that tell what only their owner may know. Linux: `proc_mem_open()`.
  private static func isGuarded(_ file: ProcessFile) -> Bool {
    switch file {
    case .maps, .smaps, .smapsRollup, .environment, .auxiliary, .pagemap, .io, .personality: true
    default: false
    }
  }

  /// Writes what a process's memory tells; false of a file that is none of that.
  private func write(
    _ file: ProcessFile, ofMemory space: Reference<AddressSpace>,
    to writer: inout TextWriter<Environment>
  ) throws(Errno) -> Bool {
    switch file {
    case .maps: try writeMaps(of: space, to: &writer)
    case .smaps: try writeDetailedMaps(of: space, to: &writer)
    case .smapsRollup: writeMapsSummary(of: space, to: &writer)
    case .arguments: writeArguments(of: space, to: &writer)
    case .environment:
      writeBytes(of: space, heap[space].argumentEnd, heap[space].environmentEnd, to: &writer)
    case .auxiliary:
      writeBytes(of: space, heap[space].auxiliaryStart, heap[space].auxiliaryEnd, to: &writer)
    default: return false
    }
    return true
  }
}
