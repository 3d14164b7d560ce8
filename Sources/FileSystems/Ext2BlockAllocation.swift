// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageFrames

/// Blocks for pages of files.
///
/// A page comes into the cache before it gets its block, so that nobody ever sees what the block
/// held before.
///
/// Linux: `fs/ext2/inode.c`.
extension FileSystems {
  /// The block of a page of a file, allocated if it has none. The kernel's
  /// `MemoryEnvironment.reserve` is this.
  ///
  /// - Throws: `accessDenied` of a read-only disk, `noSpace`, `inputOutput`, `outOfMemory`.
  /// - Precondition: the page is in the cache, retained by the caller.
  /// - Context: may sleep.
  public func reserve(
    _ file: Reference<CachedFile>, index: UInt64
  ) throws(MemoryError) -> UInt32 {
    guard heap[file].owner != 0 else { throw .accessDenied }
    let inode = Reference<Inode>(raw: heap[file].owner)
    guard !isReadOnly(heap[inode].volume) else { throw .accessDenied }
    do {
      let block = try blockToWrite(of: inode, index: index, inside: true)
      let now = currentTime
      heap[inode].modified = now
      heap[inode].changed = now
      diskNoteChanged(inode)
      return block
    } catch {
      switch error {
      case .ENOSPC: throw .noSpace
      case .ENOMEM: throw .outOfMemory
      default: throw .inputOutput
      }
    }
  }

  /// The block of a page that is about to be written, allocated if it has none.
  ///
  /// - Parameter inside: whether only pages of the file's present size get one.
  /// - Context: may sleep.
  func blockToWrite(
    of inode: Reference<Inode>, index: UInt64, inside: Bool
  ) throws(Errno) -> UInt32 {
    if let block = try diskBlock(of: inode, index: index) { return block }
    let disk = disk(of: inode)
    while true {
      do {
        return try withAllocation(of: disk) { () throws(Errno) in
          // It may have been cut while this task waited.
          guard !inside || index << 12 < heap[inode].byteCount else { throw .EIO }
          return try allocateBlock(of: inode, index: index)
        }
      } catch {
        guard error == .ENOSPC, try reapOrphans(of: disk) else { throw error }
      }
    }
  }

  /// Allocates the block of a page, and the blocks of pointers that lead to it.
  ///
  /// - Throws: ENOSPC, EFBIG, EIO, ENOMEM; blocks of pointers that were made stay.
  /// - Context: inside `withAllocation`; may sleep.
  private func allocateBlock(
    of inode: Reference<Inode>, index: UInt64
  ) throws(Errno) -> UInt32 {
    guard let path = Ext2Path(index: index) else { throw .EFBIG }
    var block = heap[inode].blocks[path.slot]
    if block == 0 {
      block = try newBlock(of: inode, isTable: path.depth > 0)
      heap[inode].blocks[path.slot] = block
      noteDirt(of: inode, .whole)
    }
    for level in 0..<path.depth {
      block = try pointer(
        path.index(atLevel: level), in: block, of: inode, isTable: level < path.depth - 1)
    }
    guard state.value.disks[disk(of: inode)].volume.contains(block: block) else { throw .EIO }
    heap[inode].lastBlock = block
    return block
  }

  /// What a block of pointers has at an index, allocated if it has nothing.
  private func pointer(
    _ index: Int, in table: UInt32, of inode: Reference<Inode>, isTable: Bool
  ) throws(Errno) -> UInt32 {
    let frame = try volumeBlock(table, of: disk(of: inode))
    defer { _ = frames.release(frame) }
    let known = bytes(of: frame).load(UInt32.self, at: 4 * index)
    if known != 0 { return known }
    let new = try newBlock(of: inode, isTable: isTable)
    bytes(of: frame).store(new, at: 4 * index)
    spaces.markDirty(frame, block: table)
    return new
  }

  /// A block for a file's data or pointers; of the latter, full of zeros.
  private func newBlock(of inode: Reference<Inode>, isTable: Bool) throws(Errno) -> UInt32 {
    let disk = disk(of: inode)
    let block = try allocateBlock(near: goal(for: inode), of: disk)
    heap[inode].lastBlock = block
    if isTable {
      do {
        try clearBlock(block, of: disk)
      } catch {
        try freeBlock(block, of: disk)
        throw error
      }
    }
    heap[inode].sectorCount += 8
    noteDirt(of: inode, .whole)
    return block
  }

  /// Behind the block that the file got last, or else in its inode's group.
  private func goal(for inode: Reference<Inode>) -> UInt32 {
    let last = heap[inode].lastBlock
    if last != 0 { return last &+ 1 }
    let volume = state.value.disks[disk(of: inode)].volume
    let group = (UInt32(heap[inode].number) - 1) / volume.inodesPerGroup
    return group &* volume.blocksPerGroup
  }

  /// Makes a block of the volume itself one of zeros, whatever it was before.
  func clearBlock(_ block: UInt32, of disk: Int) throws(Errno) {
    guard let device = state.value.disks[disk].device.reference else { throw .EIO }
    let frame = try emptyPage(of: device, index: UInt64(block))
    bytes(of: frame).clear()
    spaces.markDirty(frame, block: block)
    _ = frames.release(frame)
  }

  /// A page of a file that is not read: what is in memory, or zeros. Retained for the caller.
  func emptyPage(
    of file: Reference<CachedFile>, index: UInt64
  ) throws(Errno) -> PageFrameNumber {
    do {
      return try spaces.emptyPage(of: file, index: index)
    } catch {
      throw Errno(error)
    }
  }
}
