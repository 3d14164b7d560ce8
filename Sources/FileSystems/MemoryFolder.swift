// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageFrames

/// Names in file systems in memory. Who calls these has checked that it may be, and keeps others
/// from changing names meanwhile.
///
/// Linux: `mm/shmem.c`, `fs/libfs.c`.
extension FileSystems {
  /// The file of a name, counted for the caller.
  ///
  /// - Throws: ENOENT.
  func memoryChild(
    _ name: FileName, of folder: Reference<Inode>
  ) throws(Errno) -> Reference<Inode> {
    if name.equals("..") { return try memoryFolderAbove(folder) }
    guard let entry = entry(of: name, in: folder), let inode = heap[entry].inode.reference else {
      throw .ENOENT
    }
    setEntry(entry, of: inode)
    retain(inode)
    return inode
  }

  private func memoryFolderAbove(_ folder: Reference<Inode>) throws(Errno) -> Reference<Inode> {
    guard let entry = heap[folder].entry.reference, let above = heap[entry].folder.reference
    else { throw .ENOENT }
    retain(above)
    return above
  }

  /// Makes a file with a name. Linux: `shmem_mknod()`, `shmem_mkdir()`, `shmem_symlink()`.
  ///
  /// - Parameter target: of a link: its text.
  /// - Returns: the file, counted for the caller.
  /// - Throws: ENOSPC, ENOMEM.
  func memoryMake(
    _ name: FileName, in folder: Reference<Inode>, _ new: NewFile, target: MemoryBlock?
  ) throws(Errno) -> Reference<Inode> {
    let inode = try makeMemoryInode(new, of: heap[folder].volume)
    do {
      if let target { try setLinkText(target, of: inode) }
      let entry = try makeEntry(name, in: Link(folder), of: inode)
      insert(entry)
      retain(inode)
      setEntry(entry, of: inode)
    } catch {
      release(inode)
      throw error
    }
    heap[inode].linkCount = 1
    if new.mode.isFolder {
      heap[inode].linkCount = 2
      heap[folder].linkCount += 1
    }
    noteNamesChanged(in: folder)
    return inode
  }

  /// Gives a file one more name. Linux: `shmem_link()`.
  func memoryLink(
    _ inode: Reference<Inode>, _ name: FileName, in folder: Reference<Inode>
  ) throws(Errno) {
    let entry = try makeEntry(name, in: Link(folder), of: inode)
    insert(entry)
    retain(inode)
    setEntry(entry, of: inode)
    heap[inode].linkCount += 1
    heap[inode].changed = currentTime
    noteNamesChanged(in: folder)
  }

  /// Removes a name; of a folder it is the last. Linux: `shmem_unlink()`, `shmem_rmdir()`.
  ///
  /// - Precondition: the name is there, and a folder is empty.
  func memoryRemove(_ name: FileName, in folder: Reference<Inode>) {
    guard let entry = entry(of: name, in: folder), let inode = heap[entry].inode.reference else {
      preconditionFailure("a name that was looked up is gone")
    }
    if heap[inode].mode.isFolder {
      heap[inode].linkCount = 0
      heap[folder].linkCount -= 1
    } else {
      heap[inode].linkCount -= 1
    }
    heap[inode].changed = currentTime
    noteNamesChanged(in: folder)
    drop(entry)
  }

  /// Takes an entry out of its folder and lets go of its inode, which keeps the entry for its
  /// path if it is still in use and was found by it.
  private func drop(_ entry: Reference<FolderEntry>) {
    guard let inode = heap[entry].inode.reference, let folder = heap[entry].folder.reference
    else { return }
    remove(entry)
    if heap[inode].entry.reference == entry, heap[inode].references > 1 {
      heap[entry].isRemoved = true
      heap[entry].inode = Link(nil)
      retain(folder)
    } else {
      if heap[inode].entry.reference == entry { heap[inode].entry = Link(nil) }
      freeEntry(entry)
    }
    release(inode)
  }

  func memoryIsEmpty(_ folder: Reference<Inode>) -> Bool {
    heap[folder].firstEntry.reference == nil
  }

  /// Moves a name; what stood under the new one loses it. Linux: `simple_rename()`.
  ///
  /// - Throws: ENOMEM, with nothing changed.
  func memoryRename(_ move: NameMove) throws(Errno) {
    guard let old = entry(of: move.oldName, in: move.oldFolder),
      let inode = heap[old].inode.reference
    else { throw .ENOENT }
    let fresh = try makeEntry(move.newName, in: Link(move.newFolder), of: inode)
    if let target = entry(of: move.newName, in: move.newFolder) {
      memoryRemoveTarget(target, move.newFolder)
    }
    insert(fresh)
    retain(inode)
    setEntry(fresh, of: inode)
    if heap[inode].mode.isFolder {
      heap[move.oldFolder].linkCount -= 1
      heap[move.newFolder].linkCount += 1
    }
    heap[inode].changed = currentTime
    noteNamesChanged(in: move.oldFolder)
    noteNamesChanged(in: move.newFolder)
    drop(old)
  }

  private func memoryRemoveTarget(_ entry: Reference<FolderEntry>, _ folder: Reference<Inode>) {
    guard let inode = heap[entry].inode.reference else { return }
    if heap[inode].mode.isFolder {
      heap[inode].linkCount = 0
      heap[folder].linkCount -= 1
    } else {
      heap[inode].linkCount -= 1
    }
    heap[inode].changed = currentTime
    drop(entry)
  }

  /// Exchanges what two names stand for. Linux: `simple_rename_exchange()`.
  func memoryExchange(_ move: NameMove) throws(Errno) {
    guard let old = entry(of: move.oldName, in: move.oldFolder),
      let new = entry(of: move.newName, in: move.newFolder),
      let first = heap[old].inode.reference, let second = heap[new].inode.reference
    else { throw .ENOENT }
    heap[old].inode = Link(second)
    heap[new].inode = Link(first)
    setEntry(new, of: first)
    setEntry(old, of: second)
    if heap[first].mode.isFolder != heap[second].mode.isFolder {
      let isFirst = heap[first].mode.isFolder
      heap[isFirst ? move.oldFolder : move.newFolder].linkCount -= 1
      heap[isFirst ? move.newFolder : move.oldFolder].linkCount += 1
    }
    heap[first].changed = currentTime
    heap[second].changed = currentTime
    noteNamesChanged(in: move.oldFolder)
    noteNamesChanged(in: move.newFolder)
  }

  /// Linux: the times of a folder in which a name was made, moved or removed.
  private func noteNamesChanged(in folder: Reference<Inode>) {
    heap[folder].modified = currentTime
    heap[folder].changed = heap[folder].modified
  }

  /// Lists a folder in memory from a position on; returns where to go on.
  ///
  /// Positions are: 0 and 1 the dots, 2 the newest entry, and from 3 on: what is older than the
  /// entry of that position. So whatever is removed meanwhile, nothing is told twice or missed.
  ///
  /// - Throws: EINVAL where not one entry fits, ENOENT where the folder was removed.
  /// - Complexity: O(entries) to find where to go on.
  func listMemory(
    _ folder: Reference<Inode>, from start: UInt64, _ listing: inout FolderListing
  ) throws(Errno) -> UInt64 {
    guard heap[folder].linkCount > 0 else { throw .ENOENT }
    var position = start
    while position < 2 {
      let above = try child(ofDots: position, folder)
      defer { release(above) }
      guard
        listing.add(
          inode: heap[above].number, next: position + 1, kind: FileMode.folder.entryKind,
          name: position == 0 ? "." : "..")
      else { return try stop(listing, at: position) }
      position += 1
    }
    return try withPathBuffer { (block) throws(Errno) in
      var link = heap[folder].firstEntry
      if position > 2 {
        while let entry = link.reference, heap[entry].position >= position {
          link = heap[entry].older
        }
      }
      while let entry = link.reference, let inode = heap[entry].inode.reference {
        copyName(of: entry, to: block, at: 0)
        guard
          listing.add(
            inode: heap[inode].number, next: heap[entry].position,
            kind: heap[inode].mode.entryKind, name: block, at: 0,
            nameLength: Int(heap[entry].byteCount))
        else { return try stop(listing, at: position) }
        position = heap[entry].position
        link = heap[entry].older
      }
      return position
    }
  }

  private func child(
    ofDots position: UInt64, _ folder: Reference<Inode>
  ) throws(Errno) -> Reference<Inode> {
    if position == 0 {
      retain(folder)
      return folder
    }
    return try folderAbove(folder)
  }

  private func stop(_ listing: FolderListing, at position: UInt64) throws(Errno) -> UInt64 {
    guard listing.byteCount > 0 else { throw .EINVAL }
    return position
  }
}

/// A name that is to become another one. All are held by the caller.
struct NameMove: BitwiseCopyable {
  let oldFolder: Reference<Inode>
  let oldName: FileName
  let newFolder: Reference<Inode>
  let newName: FileName
}
