// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageFrames

/// What a file that is made shall be.
public struct NewFile: BitwiseCopyable, Sendable {
  public var mode: FileMode
  public var user: UInt32
  public var group: UInt32
  /// Of a device file.
  public var device: DeviceNumber

  public init(
    mode: FileMode, user: UInt32, group: UInt32,
    device: DeviceNumber = DeviceNumber(major: 0, minor: 0)
  ) {
    self.mode = mode
    self.user = user
    self.group = group
    self.device = device
  }
}

/// File systems in memory: names are heap objects, contents are pages that no disk has.
///
/// Linux: `mm/shmem.c`.
extension FileSystems {
  /// A new, empty file system's root folder, counted for the caller.
  ///
  /// It may take half of memory, in pages and in files.
  ///
  /// - Throws: ENOMEM.
  ///
  /// Linux: `shmem_fill_super()`.
  func makeMemoryVolume(
    _ place: MountPlace, permissions: UInt16
  ) throws(Errno) -> Reference<Inode> {
    let half = frames.managedPageCount.value / 2
    let account = try allocate(PageAccount(limit: PageCount(half)))
    let index = Int(place.rawValue)
    state.value.mounts[index].account = Link(account)
    state.value.mounts[index].inodeLimit = UInt64(half)
    let root = try makeMemoryInode(
      NewFile(mode: FileMode(.folder, permissions: permissions), user: 0, group: 0), of: place)
    heap[root].linkCount = 2
    return root
  }

  /// A new inode without a name, counted for the caller.
  ///
  /// - Throws: ENOSPC where the file system may have no more, ENOMEM.
  /// - Context: may reclaim.
  ///
  /// Linux: `shmem_get_inode()`.
  func makeMemoryInode(
    _ new: NewFile, of place: MountPlace
  ) throws(Errno) -> Reference<Inode> {
    let index = Int(place.rawValue)
    guard state.value.mounts[index].inodeCount < state.value.mounts[index].inodeLimit else {
      throw .ENOSPC
    }
    state.value.mounts[index].lastInodeNumber += 1
    var fresh = Inode(
      .memory, of: place, number: state.value.mounts[index].lastInodeNumber, mode: new.mode)
    fresh.user = new.user
    fresh.group = new.group
    fresh.device = new.device
    fresh.linkCount = 0
    if new.mode.isFolder { fresh.byteCount = 2 * Self.entryByteCount }
    stamp(&fresh, at: currentTime)
    let inode = try allocate(fresh)
    if new.mode.isRegular {
      do {
        try giveContents(to: inode)
      } catch {
        heap.free(inode)
        throw error
      }
    }
    state.value.mounts[index].inodeCount += 1
    return inode
  }

  /// Gives an inode in memory pages to have contents in.
  private func giveContents(to inode: Reference<Inode>) throws(Errno) {
    do {
      let file = try spaces.makeFile(byteCount: 0, owner: inode.raw, backing: .memory)
      heap[file].account = state.value.mounts[Int(heap[inode].volume.rawValue)].account
      heap[inode].file = Link(file)
    } catch {
      throw Errno(error)
    }
  }

  /// Keeps a link's text in the kernel's heap, or, if it is long, in a page of the file system.
  ///
  /// - Throws: ENOSPC, ENOMEM. Linux: `shmem_symlink()`.
  func setLinkText(_ text: MemoryBlock, of inode: Reference<Inode>) throws(Errno) {
    heap[inode].byteCount = UInt64(text.byteCount)
    if text.byteCount < Self.shortLinkByteCount {
      let address = try allocateBytes(text.byteCount)
      bytes(at: address, byteCount: text.byteCount).copy(
        from: text, at: 0, to: 0, byteCount: text.byteCount)
      heap[inode].linkText = address
      return
    }
    try giveContents(to: inode)
    guard let file = heap[inode].file.reference else { return }
    heap[file].byteCount = UInt64(text.byteCount)
    let frame = try page(of: file, index: 0)
    bytes(of: frame).copy(from: text, at: 0, to: 0, byteCount: text.byteCount)
    _ = frames.release(frame)
  }

  /// With the zero at its end. Linux: `SHORT_SYMLINK_LEN`.
  private static var shortLinkByteCount: Int { 128 }

  /// Frees an inode in memory that nobody holds, and the folders that only its old path held.
  func discardMemory(_ inode: Reference<Inode>) {
    var next: Reference<Inode>? = inode
    while let current = next {
      next = nil
      state.value.mounts[Int(heap[current].volume.rawValue)].inodeCount -= 1
      if let entry = heap[current].entry.reference, heap[entry].isRemoved {
        if let folder = heap[entry].folder.reference {
          heap[folder].references -= 1
          if heap[folder].references == 0 { next = folder }
        }
        freeEntry(entry)
      }
      discard(current)
    }
  }

  /// Makes an entry the one that an inode's path is made of.
  ///
  /// - Parameter entry: in its folder; nil where the inode has no name any more.
  func setEntry(_ entry: Reference<FolderEntry>?, of inode: Reference<Inode>) {
    let old = heap[inode].entry
    guard old.reference != entry, heap[inode].tree == .memory else { return }
    heap[inode].entry = Link(entry)
    guard let old = old.reference, heap[old].isRemoved else { return }
    let folder = heap[old].folder.reference
    freeEntry(old)
    if let folder { release(folder) }
  }

  /// Linux: `shmem_statfs()`.
  func memoryStatus(of place: MountPlace) -> FileSystemStatus {
    let mount = state.value.mounts[Int(place.rawValue)]
    var status = FileSystemStatus(
      kind: FileSystemStatus.memoryKind, blockCount: 0, freeBlockCount: 0, fileCount: 0,
      freeFileCount: 0, flags: place.statusFlags)
    guard let account = mount.account.reference else { return status }
    let limit = UInt64(heap[account].limit.value)
    status.blockCount = limit
    status.freeBlockCount = limit - UInt64(heap[account].used.value)
    status.availableBlockCount = status.freeBlockCount
    status.fileCount = mount.inodeLimit
    status.freeFileCount = mount.inodeLimit - mount.inodeCount
    return status
  }
}
