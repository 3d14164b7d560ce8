// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageFrames

/// Changes of names on ext2. Who calls these has checked that it may be (rights, kinds, mounts,
/// that the names are there or not), and keeps others from changing names, or the file's contents,
/// meanwhile. What they are given is held by the caller.
///
/// Linux: `fs/ext2/namei.c`.
extension FileSystems {
  /// Linux: `EXT2_LINK_MAX`.
  private static var linkLimit: UInt32 { 32000 }

  /// Makes a file with a name.
  ///
  /// - Parameter target: of a link: its text.
  /// - Returns: the file, counted for the caller.
  /// - Throws: ENOSPC, EMLINK, ENAMETOOLONG for a link's text, EIO, ENOMEM.
  /// - Context: may sleep.
  func diskMake(
    _ name: FileName, in folder: Reference<Inode>, _ new: NewFile, target: MemoryBlock?
  ) throws(Errno) -> Reference<Inode> {
    let isFolder = new.mode.isFolder
    if isFolder, heap[folder].linkCount >= Self.linkLimit { throw .EMLINK }
    let textCount = target?.byteCount ?? 0
    guard textCount < 4096 else { throw .ENAMETOOLONG }
    let hasContents = isFolder || new.mode.isRegular || textCount >= 60
    let inode = try makeDiskInode(new, in: folder, hasContents: hasContents)
    do {
      if let target { try setText(of: inode, target) }
      if isFolder { try addDots(to: inode, under: folder) }
      let place = try addEntry(name, inode, to: folder)
      remember(inode, at: place, of: folder)
    } catch {
      // It never had a name: it goes with its last holder.
      release(inode)
      throw error
    }
    heap[inode].linkCount = isFolder ? 2 : 1
    if isFolder { heap[folder].linkCount += 1 }
    noteDirt(of: inode, .whole)
    touch(folder)
    return inode
  }

  /// Makes a file without a name. Linux: `ext2_tmpfile()`.
  func diskMakeNameless(
    in folder: Reference<Inode>, _ new: NewFile
  ) throws(Errno) -> Reference<Inode> {
    try makeDiskInode(new, in: folder, hasContents: true)
  }

  /// A new inode without a name, counted for the caller.
  private func makeDiskInode(
    _ new: NewFile, in folder: Reference<Inode>, hasContents: Bool
  ) throws(Errno) -> Reference<Inode> {
    let disk = disk(of: folder)
    let number = try takeInodeNumber(in: folder, new.mode, disk)
    var fresh = Inode(.disk, of: heap[folder].volume, number: UInt64(number), mode: new.mode)
    fresh.linkCount = 0
    fresh.user = new.user
    fresh.group = new.group
    stamp(&fresh, at: TimeOfFile(seconds: currentTime.seconds))
    fresh.setDevice(new.device)
    do {
      try clearInode(number, of: disk)
      let inode = try allocate(fresh)
      if hasContents { try giveContents(to: inode) }
      enter(inode, number)
      noteDirt(of: inode, .whole)
      return inode
    } catch {
      try withAllocation(of: disk) { () throws(Errno) in
        try freeInode(number, new.mode, of: disk)
      }
      throw error
    }
  }

  private func giveContents(to inode: Reference<Inode>) throws(Errno) {
    do {
      heap[inode].file = Link(
        try spaces.makeFile(byteCount: 0, owner: inode.raw, backing: .disk))
    } catch {
      heap.free(inode)
      throw Errno(error)
    }
  }

  private func takeInodeNumber(
    in folder: Reference<Inode>, _ kind: FileMode, _ disk: Int
  ) throws(Errno) -> UInt32 {
    while true {
      do {
        return try withAllocation(of: disk) { () throws(Errno) in
          try allocateInode(in: folder, kind, of: disk)
        }
      } catch {
        guard error == .ENOSPC, try reapOrphans(of: disk) else { throw error }
      }
    }
  }

  /// Linux: `ext2_symlink()`.
  private func setText(of link: Reference<Inode>, _ text: MemoryBlock) throws(Errno) {
    let count = text.byteCount
    guard let file = heap[link].file.reference else {
      var words = InlineArray<15, UInt32>(repeating: 0)
      for offset in 0..<count {
        let byte = UInt32(text.load(UInt8.self, at: offset))
        words[offset / 4] |= byte << UInt32(8 * (offset & 3))
      }
      heap[link].blocks = words
      heap[link].byteCount = UInt64(count)
      return
    }
    let frame = try emptyPage(of: file, index: 0)
    defer { _ = frames.release(frame) }
    let block = try blockToWrite(of: link, index: 0, inside: false)
    bytes(of: frame).copy(from: text, at: 0, to: 0, byteCount: count)
    spaces.markDirty(frame, block: block)
    grow(link, to: UInt64(count))
  }

  /// Gives a file one more name.
  func diskLink(
    _ inode: Reference<Inode>, _ name: FileName, in folder: Reference<Inode>
  ) throws(Errno) {
    guard heap[inode].linkCount < Self.linkLimit else { throw .EMLINK }
    let place = try addEntry(name, inode, to: folder)
    if heap[inode].linkCount == 0 { remember(inode, at: place, of: folder) }
    changeLinks(of: inode, by: 1)
    touch(folder)
  }

  /// Removes a name that is no folder's.
  func diskRemove(
    _ inode: Reference<Inode>, _ name: FileName, from folder: Reference<Inode>
  ) throws(Errno) {
    guard let found = try firstEntry(in: folder, named: name) else { throw .ENOENT }
    try removeEntry(at: found.offset, of: folder)
    forget(inode, at: found.offset, of: folder)
    changeLinks(of: inode, by: -1)
    touch(folder)
  }

  /// Removes a folder.
  ///
  /// - Throws: also ENOTEMPTY.
  func diskRemoveFolder(
    _ inode: Reference<Inode>, _ name: FileName, from folder: Reference<Inode>
  ) throws(Errno) {
    guard try diskIsEmpty(inode) else { throw .ENOTEMPTY }
    guard let found = try firstEntry(in: folder, named: name) else { throw .ENOENT }
    try removeEntry(at: found.offset, of: folder)
    forget(inode, at: found.offset, of: folder)
    bury(inode)
    changeLinks(of: folder, by: -1)
    touch(folder)
  }

  /// Makes a folder that lost its name one without entries.
  private func bury(_ folder: Reference<Inode>) {
    heap[folder].linkCount = 0
    heap[folder].byteCount = 0
    if let file = heap[folder].file.reference { heap[file].byteCount = 0 }
    noteDirt(of: folder, .whole)
  }

  /// Moves a name; what stands under the new one loses it.
  ///
  /// - Throws: also ENOTEMPTY where a folder to replace is not empty.
  func diskRename(
    _ move: NameMove, _ inode: Reference<Inode>, replacing target: Reference<Inode>?
  ) throws(Errno) {
    let isFolder = heap[inode].mode.isFolder
    guard let old = try firstEntry(in: move.oldFolder, named: move.oldName) else { throw .ENOENT }
    let changesFolder = isFolder && move.oldFolder != move.newFolder
    let place: UInt32
    if let target {
      if isFolder, try !diskIsEmpty(target) { throw .ENOTEMPTY }
      guard let new = try firstEntry(in: move.newFolder, named: move.newName) else {
        throw .ENOENT
      }
      place = new.offset
      try setEntry(at: place, of: move.newFolder, to: inode)
      forget(target, at: place, of: move.newFolder)
      if isFolder {
        bury(target)
        changeLinks(of: move.newFolder, by: -1)
      } else {
        changeLinks(of: target, by: -1)
      }
    } else {
      if changesFolder, heap[move.newFolder].linkCount >= Self.linkLimit { throw .EMLINK }
      place = try addEntry(move.newName, inode, to: move.newFolder)
    }
    try removeEntry(at: old.offset, of: move.oldFolder)
    if changesFolder {
      try setEntry(at: dotsEntry(of: inode).offset, of: inode, to: move.newFolder)
      changeLinks(of: move.oldFolder, by: -1)
      changeLinks(of: move.newFolder, by: 1)
    }
    remember(inode, at: place, of: move.newFolder)
    heap[inode].changed = currentTime
    diskNoteChanged(inode)
    touch(move.oldFolder)
    touch(move.newFolder)
  }

  /// Exchanges what two names stand for.
  func diskExchange(
    _ move: NameMove, _ first: Reference<Inode>, _ second: Reference<Inode>
  ) throws(Errno) {
    guard let old = try firstEntry(in: move.oldFolder, named: move.oldName),
      let new = try firstEntry(in: move.newFolder, named: move.newName)
    else { throw .ENOENT }
    try setEntry(at: new.offset, of: move.newFolder, to: first)
    try setEntry(at: old.offset, of: move.oldFolder, to: second)
    if move.oldFolder != move.newFolder {
      if heap[first].mode.isFolder {
        try setEntry(at: dotsEntry(of: first).offset, of: first, to: move.newFolder)
        changeLinks(of: move.oldFolder, by: -1)
        changeLinks(of: move.newFolder, by: 1)
      }
      if heap[second].mode.isFolder {
        try setEntry(at: dotsEntry(of: second).offset, of: second, to: move.oldFolder)
        changeLinks(of: move.newFolder, by: -1)
        changeLinks(of: move.oldFolder, by: 1)
      }
    }
    remember(first, at: new.offset, of: move.newFolder)
    remember(second, at: old.offset, of: move.oldFolder)
    for inode in 0..<2 {
      heap[inode == 0 ? first : second].changed = currentTime
      diskNoteChanged(inode == 0 ? first : second)
    }
    touch(move.oldFolder)
    touch(move.newFolder)
  }

  // What changes with names

  private func changeLinks(of inode: Reference<Inode>, by change: Int) {
    if change > 0 {
      heap[inode].linkCount += 1
    } else if heap[inode].linkCount > 0 {
      heap[inode].linkCount -= 1
    }
    heap[inode].changed = currentTime
    diskNoteChanged(inode)
    noteDirt(of: inode, .whole)
  }

  private func touch(_ folder: Reference<Inode>) {
    let now = currentTime
    heap[folder].modified = now
    heap[folder].changed = now
    diskNoteChanged(folder)
    noteDirt(of: folder, .whole)
  }
}
