// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageFrames

/// Symbolic links.
extension FileSystems {
  /// Copies a link's text, cut where the room ends; returns the bytes copied.
  ///
  /// - Throws: EINVAL if it is no link, EFAULT, EIO, ENOMEM.
  /// - Context: may sleep.
  ///
  /// Linux: `vfs_readlink()`.
  public func readLink(
    _ link: Reference<Inode>, to target: TransferMemory, byteCount: Int
  ) throws(Errno) -> Int {
    guard heap[link].mode.isLink else { throw .EINVAL }
    switch heap[link].tree {
    case .disk, .memory: return try readStoredLink(link, to: target, byteCount: byteCount)
    case .devices, .processes:
      return try withPathBuffer { (block) throws(Errno) in
        let path = try syntheticTarget(of: link, in: block)
        let count = min(path.byteCount, byteCount)
        return try deliver(block, at: path.start, byteCount: count, to: target)
      }
    case .system, .pipes, .streams, .sockets, .nameless: throw .EINVAL
    }
  }

  /// The length of a link's text.
  func linkByteCount(_ link: Reference<Inode>) throws(Errno) -> UInt64 {
    switch heap[link].tree {
    case .disk, .memory: return heap[link].byteCount
    case .devices, .processes:
      return try withPathBuffer { (block) throws(Errno) in
        UInt64(try syntheticTarget(of: link, in: block).byteCount)
      }
    case .system, .pipes, .streams, .sockets, .nameless: throw .EINVAL
    }
  }

  private func readStoredLink(
    _ link: Reference<Inode>, to target: TransferMemory, byteCount: Int
  ) throws(Errno) -> Int {
    let count = min(Int(heap[link].byteCount), byteCount)
    if let text = heap[link].linkText {
      return try deliver(bytes(at: text, byteCount: count), at: 0, byteCount: count, to: target)
    }
    guard let file = heap[link].file.reference else {
      return try withPathBuffer { (block) throws(Errno) in
        for index in 0..<15 { block.store(heap[link].blocks[index], at: 4 * index) }
        return try deliver(block, at: 0, byteCount: count, to: target)
      }
    }
    let frame = try page(of: file, index: 0)
    defer { _ = frames.release(frame) }
    return try deliver(bytes(of: frame), at: 0, byteCount: count, to: target)
  }

  /// Copies all or throws EFAULT.
  func deliver(
    _ block: MemoryBlock, at offset: Int, byteCount: Int, to target: TransferMemory
  ) throws(Errno) -> Int {
    let copied = copy(from: block, at: offset, byteCount: byteCount, to: target)
    guard copied == byteCount else { throw .EFAULT }
    return copied
  }

  /// The text of a link of /dev or /proc, at the end of a path buffer.
  private func syntheticTarget(
    of link: Reference<Inode>, in block: MemoryBlock
  ) throws(Errno) -> PathText {
    if heap[link].tree == .devices {
      guard let text = DeviceNode(number: heap[link].number).target else { throw .EIO }
      let start = block.byteCount - text.utf8CodeUnitCount
      block.store(text: text, at: start)
      return PathText(block: block, start: start)
    }
    return try processLinkTarget(of: link, in: block)
  }
}
