// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageFrames

/// Which blocks and inodes of a volume are taken.
///
/// Context of all: inside `withAllocation`; may sleep, to read bitmaps.
///
/// Linux: `fs/ext2/balloc.c`, `fs/ext2/ialloc.c`.
extension FileSystems {
  /// Takes a free block, at a goal or behind it, else in the groups that follow.
  ///
  /// - Throws: ENOSPC where all are taken, or the rest is the administrator's; EIO, ENOMEM.
  /// - Complexity: O(blocks of a group ÷ 64 + groups).
  func allocateBlock(near goal: UInt32, of disk: Int) throws(Errno) -> UInt32 {
    let volume = state.value.disks[disk].volume
    let kept = environment.mayUseReserve ? 0 : volume.reservedBlockCount
    guard volume.freeBlockCount > kept else { throw .ENOSPC }
    let goal = volume.contains(block: goal) ? goal : 1
    let first = goal / volume.blocksPerGroup
    for step in 0...volume.groupCount {
      // The goal's group comes once more at the end, for what lies before the goal.
      let number = (first + step) % volume.groupCount
      let start = step == 0 ? goal % volume.blocksPerGroup : 0
      if let block = try takeBlock(ofGroup: number, from: start, disk) { return block }
    }
    throw .ENOSPC
  }

  private func takeBlock(
    ofGroup number: UInt32, from start: UInt32, _ disk: Int
  ) throws(Errno) -> UInt32? {
    let group = try group(number, of: disk)
    guard group.freeBlockCount > 0 else { return nil }
    let volume = state.value.disks[disk].volume
    let end = volume.blockCount(ofGroup: number)
    var bit = start
    let frame = try volumeBlock(group.blockBitmap, of: disk)
    defer { _ = frames.release(frame) }
    while let found = Self.firstClearBit(in: bytes(of: frame), from: bit, to: end) {
      let block = number * volume.blocksPerGroup + found
      bit = found + 1
      // A damaged bitmap may offer what is not to be had.
      if isSystemBlock(block, group, of: disk) { continue }
      Self.set(found, in: bytes(of: frame))
      spaces.markDirty(frame, block: group.blockBitmap)
      state.value.disks[disk].volume.freeBlockCount -= 1
      try changeGroup(number, of: disk) { $0.freeBlockCount &-= 1 }
      return block
    }
    return nil
  }

  /// Gives a block back.
  ///
  /// - Throws: EIO where it is free already or never was a file's: the disk is damaged.
  func freeBlock(_ block: UInt32, of disk: Int) throws(Errno) {
    let volume = state.value.disks[disk].volume
    guard volume.contains(block: block) else { throw .EIO }
    let number = block / volume.blocksPerGroup
    let group = try group(number, of: disk)
    guard !isSystemBlock(block, group, of: disk) else { throw .EIO }
    let wasTaken = try changeBlock(group.blockBitmap, of: disk) { bitmap in
      let bit = block % volume.blocksPerGroup
      guard Self.isSet(bit, in: bitmap) else { return false }
      Self.clear(bit, in: bitmap)
      return true
    }
    guard wasTaken else { throw .EIO }
    state.value.disks[disk].volume.freeBlockCount += 1
    try changeGroup(number, of: disk) { $0.freeBlockCount &+= 1 }
  }

  /// Takes a free inode: a file's near its folder's, a folder of the root's where there is most
  /// room.
  ///
  /// - Throws: ENOSPC, EIO, ENOMEM.
  ///
  /// Linux: `ext2_new_inode()`, `find_group_orlov()`, `find_group_other()`.
  func allocateInode(
    in folder: Reference<Inode>, _ kind: FileMode, of disk: Int
  ) throws(Errno) -> UInt32 {
    let volume = state.value.disks[disk].volume
    guard volume.freeInodeCount > 0 else { throw .ENOSPC }
    var first = (UInt32(heap[folder].number) - 1) / volume.inodesPerGroup
    if kind.isFolder, heap[folder].number == UInt64(Ext2Volume.rootInode) {
      first = try roomiestGroup(of: disk) ?? first
    }
    for step in 0..<volume.groupCount {
      let number = (first + step) % volume.groupCount
      if let inode = try takeInode(ofGroup: number, kind, disk) { return inode }
    }
    throw .ENOSPC
  }

  /// The group with the fewest folders among those with no less than the mean of free inodes.
  private func roomiestGroup(of disk: Int) throws(Errno) -> UInt32? {
    let volume = state.value.disks[disk].volume
    let mean = volume.freeInodeCount / volume.groupCount
    var best: (number: UInt32, folders: UInt16)?
    for number in 0..<volume.groupCount {
      let group = try group(number, of: disk)
      guard group.freeInodeCount > 0, UInt32(group.freeInodeCount) >= mean else { continue }
      if let best, best.folders <= group.folderCount { continue }
      best = (number, group.folderCount)
    }
    return best?.number
  }

  private func takeInode(
    ofGroup number: UInt32, _ kind: FileMode, _ disk: Int
  ) throws(Errno) -> UInt32? {
    let group = try group(number, of: disk)
    guard group.freeInodeCount > 0 else { return nil }
    let volume = state.value.disks[disk].volume
    let start = number == 0 ? volume.firstInode - 1 : 0
    let frame = try volumeBlock(group.inodeBitmap, of: disk)
    defer { _ = frames.release(frame) }
    guard
      let bit = Self.firstClearBit(in: bytes(of: frame), from: start, to: volume.inodesPerGroup)
    else { return nil }
    Self.set(bit, in: bytes(of: frame))
    spaces.markDirty(frame, block: group.inodeBitmap)
    state.value.disks[disk].volume.freeInodeCount -= 1
    try changeGroup(number, of: disk) { group in
      group.freeInodeCount &-= 1
      if kind.isFolder { group.folderCount &+= 1 }
    }
    return number * volume.inodesPerGroup + bit + 1
  }

  /// Gives an inode's number back. Linux: `ext2_free_inode()`.
  func freeInode(_ number: UInt32, _ kind: FileMode, of disk: Int) throws(Errno) {
    let volume = state.value.disks[disk].volume
    guard volume.contains(inode: number), number >= volume.firstInode else { throw .EIO }
    let groupNumber = (number - 1) / volume.inodesPerGroup
    let group = try group(groupNumber, of: disk)
    let wasTaken = try changeBlock(group.inodeBitmap, of: disk) { bitmap in
      let bit = (number - 1) % volume.inodesPerGroup
      guard Self.isSet(bit, in: bitmap) else { return false }
      Self.clear(bit, in: bitmap)
      return true
    }
    guard wasTaken else { throw .EIO }
    state.value.disks[disk].volume.freeInodeCount += 1
    try changeGroup(groupNumber, of: disk) { group in
      group.freeInodeCount &+= 1
      if kind.isFolder, group.folderCount > 0 { group.folderCount &-= 1 }
    }
  }
}
