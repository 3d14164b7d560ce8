// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageFrames

/// Files of /proc: their text is made when they are opened and does not change afterwards.
extension FileSystems {
  /// - Throws: ESRCH where the process is gone, ENOMEM.
  /// - Context: may sleep.
  func makeText(of file: Reference<OpenFile>) throws(Errno) {
    let node = ProcessNode(heap[heap[file].inode].number)
    var writer = TextWriter(self)
    do throws(Errno) {
      try write(node, to: &writer)
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
  }

  private func freeChain(_ first: UInt32) {
    var next = first
    while next != 0 {
      let frame = PageFrameNumber(next)
      next = frames.table[frame].privateWord
      freeFrames(frame, .zero)
    }
  }

  /// - Complexity: O(pages before the position).
  func readText(
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
    guard node.process != 0 else { return writeSystem(node.file, to: &writer) }
    guard let process = environment.describe(process: node.process) else { throw .ESRCH }
    let space = process.space
    if let space { spaces.retain(space) }
    defer { if let space { spaces.release(space) } }
    switch node.file {
    case .maps: if let space { try writeMaps(of: space, to: &writer) }
    case .processStat: writeStat(of: process, to: &writer)
    case .processStatm: writeStatm(of: process, to: &writer)
    case .status: writeStatus(of: process, to: &writer)
    case .name:
      writeName(of: process, to: &writer)
      writer.put("\n")
    case .arguments:
      if let space {
        writeBytes(of: space, heap[space].argumentStart, heap[space].argumentEnd, to: &writer)
      }
    case .environment:
      if let space {
        writeBytes(of: space, heap[space].argumentEnd, heap[space].environmentEnd, to: &writer)
      }
    case .mounts: writeMounts(to: &writer)
    case .outOfMemoryAdjustment:
      writer.put(signed: Int64(process.outOfMemoryAdjustment))
      writer.put("\n")
    default: throw .EINVAL
    }
  }

  /// A program's own bytes, up to the first that cannot be read.
  private func writeBytes(
    of space: Reference<AddressSpace>, _ start: VirtualAddress, _ end: VirtualAddress,
    to writer: inout TextWriter<Environment>
  ) {
    guard start < end, let frame = try? allocateFrames(.zero) else { return }
    defer { freeFrames(frame, .zero) }
    var place = start
    while place < end, !writer.hasFailed {
      let count = Int(min((end - place).value, 4096 - place.offsetInPage.value))
      let copied = copy(
        from: .program(place, in: space), byteCount: count, to: bytes(of: frame), at: 0)
      writer.put(bytes: bytes(of: frame), at: 0, byteCount: copied)
      if copied < count { return }
      place = place + ByteCount(UInt64(count))
    }
  }
}
