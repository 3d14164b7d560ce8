// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageFrames

/// The root disk's file system.
extension FileSystems {
  /// Mounts the root disk: afterwards paths lead somewhere.
  ///
  /// - Throws: EINVAL where the disk holds no ext2 with blocks of 4,096 bytes, EIO where it is
  ///   damaged, ENXIO without a disk, ENOMEM.
  /// - Context: may sleep.
  ///
  /// Linux: `ext2_fill_super()`.
  public func mountRoot() throws(Errno) {
    let byteCount = state.value.disks[Disk.root].byteCount & ~4095
    guard byteCount > 0 else { throw .ENXIO }
    let device: Reference<CachedFile>
    do {
      // Of no size, since what lies behind a block has nothing to do with it: no reading ahead.
      device = try spaces.makeFile(byteCount: 0, owner: 0, backing: .disk)
    } catch {
      throw Errno(error)
    }
    state.value.disks[Disk.root].device = Link(device)
    let frame = try page(of: device, index: 0)
    defer { _ = frames.release(frame) }
    state.value.disks[Disk.root].volume = try Ext2Volume(
      reading: bytes(of: frame), diskByteCount: byteCount)
    let root = try inode(numbered: Ext2Volume.rootInode)
    guard heap[root].mode.isFolder else {
      release(root)
      throw .EIO
    }
    state.value.root = Link(root)
    state.value.mounts[Int(MountPlace.root.rawValue)].root = Link(root)
    state.value.mounts[Int(MountPlace.root.rawValue)].isReadOnly = true
    try mountTrees()
  }

  /// The root folder, counted for the caller.
  public func rootFolder() throws(Errno) -> Reference<Inode> {
    guard let root = state.value.root.reference else { throw .ENXIO }
    retain(root)
    return root
  }

  /// The inode of a number: from memory, or from the disk.
  ///
  /// - Context: may sleep.
  /// - Throws: EIO where the number or what lies there is damaged, ENOMEM.
  ///
  /// Linux: `ext2_iget()`.
  func inode(
    numbered number: UInt32, of place: MountPlace = .root
  ) throws(Errno) -> Reference<Inode> {
    if let known = try cachedInode(number, of: place) { return known }
    let raw = try readInode(number, of: Disk.index(of: place))
    guard raw.linkCount > 0, !raw.hasUnknownForm else { throw .EIO }
    var fresh = Inode(.disk, of: place, number: UInt64(number), mode: raw.mode)
    fresh.linkCount = UInt32(raw.linkCount)
    fresh.user = raw.user
    fresh.group = raw.group
    fresh.byteCount = raw.byteCount
    fresh.sectorCount = UInt64(raw.sectorCount)
    fresh.accessed = TimeOfFile(seconds: Int64(Int32(bitPattern: raw.accessed)))
    fresh.modified = TimeOfFile(seconds: Int64(Int32(bitPattern: raw.modified)))
    fresh.changed = TimeOfFile(seconds: Int64(Int32(bitPattern: raw.changed)))
    fresh.blocks = raw.blocks
    try check(raw)
    switch raw.mode.kind {
    case .characterDevice, .blockDevice:
      fresh.device = raw.device
      fresh.byteCount = 0
    case .pipe, .socket: fresh.byteCount = 0
    default: break
    }
    let inode = try allocate(fresh)
    if raw.mode.isRegular || raw.mode.isFolder || (raw.mode.isLink && !raw.isShortLink) {
      do {
        heap[inode].file = Link(
          try spaces.makeFile(byteCount: raw.byteCount, owner: inode.raw, backing: .disk))
      } catch {
        heap.free(inode)
        throw Errno(error)
      }
    }
    // Somebody may have been faster while this task waited for the disk or for memory.
    if let known = try cachedInode(number, of: place) {
      discard(inode)
      return known
    }
    enter(inode, number)
    return inode
  }

  /// Checks what every later reader of the inode relies on.
  private func check(_ raw: Ext2Inode) throws(Errno) {
    let pageCount = raw.byteCount / 4096 + (raw.byteCount & 4095 == 0 ? 0 : 1)
    switch raw.mode.kind {
    case .regular:
      guard raw.byteCount < 1 << 62, pageCount <= Ext2Path.pageLimit else { throw .EIO }
    case .folder:
      guard raw.byteCount > 0, raw.byteCount & 4095 == 0 else { throw .EIO }
    case .link:
      guard raw.byteCount > 0, raw.byteCount < 4096 else { throw .EIO }
    case .characterDevice, .blockDevice, .pipe, .socket: break
    default: throw .EIO
    }
  }

  private func readInode(_ number: UInt32, of disk: Int) throws(Errno) -> Ext2Inode {
    let volume = state.value.disks[disk].volume
    guard volume.contains(inode: number) else { throw .EIO }
    let descriptor = volume.descriptor(ofInode: number)
    guard descriptor.block < UInt64(volume.blockCount) else { throw .EIO }
    let group = try volumeBlock(UInt32(descriptor.block), of: disk)
    let table = bytes(of: group).load(UInt32.self, at: descriptor.offset + 8)
    _ = frames.release(group)
    let place = volume.place(ofInode: number)
    let block = UInt64(table) + place.block
    guard block < UInt64(volume.blockCount) else { throw .EIO }
    let frame = try volumeBlock(UInt32(block), of: disk)
    defer { _ = frames.release(frame) }
    return Ext2Inode(reading: bytes(of: frame), at: place.offset)
  }

  /// What statfs says of a disk. Linux: `ext2_statfs()`.
  ///
  /// - Context: may sleep, so that what was removed is counted as free.
  func volumeStatus(of disk: Int) -> FileSystemStatus {
    _ = try? reapOrphans(of: disk)
    let volume = state.value.disks[disk].volume
    let isWritable = disk == Disk.scratch
    let overhead = isWritable ? UInt64(volume.overheadCount) : 0
    var status = FileSystemStatus(
      kind: FileSystemStatus.ext2Kind, blockCount: UInt64(volume.blockCount) - overhead,
      freeBlockCount: UInt64(volume.freeBlockCount), fileCount: UInt64(volume.inodeCount),
      freeFileCount: UInt64(volume.freeInodeCount),
      flags: isWritable ? MountPlace.scratch.statusFlags : FileSystemStatus.readOnlyFlags)
    let reserved = min(volume.reservedBlockCount, volume.freeBlockCount)
    status.availableBlockCount = UInt64(volume.freeBlockCount - reserved)
    status.identity = volume.identity
    return status
  }
}
