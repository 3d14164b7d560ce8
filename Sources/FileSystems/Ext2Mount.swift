// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageFrames

/// The scratch disk: mounted for writing, and left as one finds it whole.
extension FileSystems {
  /// Mounts the scratch disk at /var/scratch.
  ///
  /// - Throws: ENXIO without a disk, EINVAL or EIO where its file system is damaged, EROFS where
  ///   it has what this driver does not know, ENOENT or ENOTDIR where the root has no folder for
  ///   it and nothing was changed, ENOMEM.
  /// - Context: may sleep; after `mountRoot`.
  public func mountScratch() throws(Errno) {
    let disk = Disk.scratch
    let byteCount = state.value.disks[disk].byteCount & ~4095
    guard byteCount > 0 else { throw .ENXIO }
    // First, so that a root without the folder leaves nothing to give back.
    let folder = try scratchFolder()
    do throws(Errno) {
      try openDevice(of: disk)
      try readVolume(disk, byteCount)
      let root = try inode(numbered: Ext2Volume.rootInode, of: .scratch)
      do throws(Errno) {
        guard heap[root].mode.isFolder else { throw .EIO }
        try storeSuperblock(of: disk, isClean: false)
      } catch {
        release(root)
        throw error
      }
      mount(.scratch, root, in: folder)
    } catch {
      release(folder)
      throw error
    }
  }

  /// The folder that holds the mount, counted for the caller.
  private func scratchFolder() throws(Errno) -> Reference<Inode> {
    let top = try rootFolder()
    defer { release(top) }
    let folder = try withPath("/var") { (path) throws(Errno) in try find(path, from: top) }
    guard heap[folder].mode.isFolder else {
      release(folder)
      throw .ENOTDIR
    }
    return folder
  }

  private func openDevice(of disk: Int) throws(Errno) {
    do {
      state.value.disks[disk].device = Link(
        try spaces.makeFile(byteCount: 0, owner: 0, backing: .disk))
    } catch {
      throw Errno(error)
    }
  }

  private func readVolume(_ disk: Int, _ byteCount: UInt64) throws(Errno) {
    guard let device = state.value.disks[disk].device.reference else { throw .ENXIO }
    let frame = try page(of: device, index: 0)
    defer { _ = frames.release(frame) }
    let volume = try Ext2Volume(reading: bytes(of: frame), diskByteCount: byteCount)
    try volume.checkWritable()
    state.value.disks[disk].volume = volume
    try countGroups(of: disk)
  }

  /// Checks where all groups lie, and adds up what is free in them.
  ///
  /// Linux: `ext2_check_descriptors()`, `ext2_count_free_blocks()`.
  private func countGroups(of disk: Int) throws(Errno) {
    let volume = state.value.disks[disk].volume
    var blocks: UInt64 = 0
    var inodes: UInt64 = 0
    for number in 0..<volume.groupCount {
      let group = try group(number, of: disk)
      guard UInt32(group.freeBlockCount) <= volume.blockCount(ofGroup: number),
        UInt32(group.freeInodeCount) <= volume.inodesPerGroup
      else { throw .EIO }
      blocks += UInt64(group.freeBlockCount)
      inodes += UInt64(group.freeInodeCount)
    }
    state.value.disks[disk].volume.freeBlockCount = UInt32(min(blocks, UInt64(volume.blockCount)))
    state.value.disks[disk].volume.freeInodeCount = UInt32(min(inodes, UInt64(volume.inodeCount)))
  }

  /// Copies counts and state into the superblock's page. Linux: `ext2_sync_super()`.
  func storeSuperblock(of disk: Int, isClean: Bool) throws(Errno) {
    let volume = state.value.disks[disk].volume
    let seconds = UInt32(truncatingIfNeeded: currentTime.seconds)
    try changeSuperblock(of: disk) { bytes in
      bytes.store(volume.freeBlockCount, at: 12)
      bytes.store(volume.freeInodeCount, at: 16)
      bytes.store(seconds, at: 48)
      let old = bytes.load(UInt16.self, at: 58)
      bytes.store(isClean ? old | 1 : old & ~1, at: 58)
    }
  }

  /// - Parameter body: is given the superblock's bytes.
  func changeSuperblock(of disk: Int, _ body: (MemoryBlock) -> Void) throws(Errno) {
    guard let device = state.value.disks[disk].device.reference else { throw .EIO }
    let frame = try page(of: device, index: 0)
    body(bytes(of: frame).part(from: 1024, byteCount: 1024))
    spaces.markDirty(frame, block: 0)
    _ = frames.release(frame)
  }

  /// Writes all, and marks the scratch disk as one that was left in order.
  ///
  /// - Throws: EIO. Context: may sleep; no program runs any more. Linux: `ext2_put_super()`.
  public func leaveScratch() throws(Errno) {
    guard isMounted(.scratch) else { return }
    try diskSynchronizeAll(.scratch)
    try storeSuperblock(of: Disk.scratch, isClean: true)
    try diskSynchronizeAllPages(of: Disk.scratch)
  }

  private func diskSynchronizeAllPages(of disk: Int) throws(Errno) {
    if let device = state.value.disks[disk].device.reference {
      spaces.writeAndWait(for: device)
      if heap[device].writeErrors.isUntold { throw .EIO }
    }
    try flush(disk: disk)
  }
}
