// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageFrames

/// One entry of a folder on the disk. Linux: `struct ext2_dir_entry_2`.
///
///      0       4            6       7      8
///      │ inode │ byte count │ name's│ kind │ name │ padding to 4
struct Ext2Entry: BitwiseCopyable {
  /// 0: an empty entry.
  let inode: UInt32
  let byteCount: Int
  let nameLength: Int
  let kind: UInt8
  /// The offset in its page.
  let offset: Int

  /// Nil where the bytes at the offset are no entry.
  init?(reading page: MemoryBlock, at offset: Int, inodeCount: UInt32) {
    guard offset + 12 <= page.byteCount else { return nil }
    inode = page.load(UInt32.self, at: offset)
    byteCount = Int(page.load(UInt16.self, at: offset + 4))
    nameLength = Int(page.load(UInt8.self, at: offset + 6))
    kind = page.load(UInt8.self, at: offset + 7)
    self.offset = offset
    guard byteCount >= 12, byteCount & 3 == 0, byteCount >= 8 + nameLength,
      offset + byteCount <= page.byteCount, inode <= inodeCount
    else { return nil }
  }

  var end: Int { offset + byteCount }
  var nameOffset: Int { offset + 8 }

  /// As getdents tells it. Linux: `fs_ftype_to_dtype()`.
  var entryKind: UInt8 {
    switch kind {
    case 1: FileMode.regular.entryKind
    case 2: FileMode.folder.entryKind
    case 3: FileMode.characterDevice.entryKind
    case 4: FileMode.blockDevice.entryKind
    case 5: FileMode.pipe.entryKind
    case 6: FileMode.socket.entryKind
    case 7: FileMode.link.entryKind
    default: 0
    }
  }
}

/// Where a name was found in a folder.
struct FoundEntry: BitwiseCopyable, Equatable {
  let inode: UInt32
  /// From the folder's start on.
  let offset: UInt32
}

extension FileSystems {
  /// Looks for an entry of a folder on the disk.
  ///
  /// - Parameter matches: is given each entry that is in use, with its page.
  /// - Throws: EIO where the folder is damaged.
  /// - Context: may sleep between pages; the body may not.
  /// - Complexity: O(entries).
  ///
  /// Linux: `ext2_find_entry()`.
  func firstEntry(
    in folder: Reference<Inode>, where matches: (Ext2Entry, MemoryBlock) -> Bool
  ) throws(Errno) -> FoundEntry? {
    guard let file = heap[folder].file.reference else { throw .EIO }
    let inodeCount = state.value.disks[disk(of: folder)].volume.inodeCount
    for index in 0..<(heap[folder].byteCount / 4096) {
      let frame = try page(of: file, index: index)
      defer { _ = frames.release(frame) }
      let block = bytes(of: frame)
      var offset = 0
      while offset < block.byteCount {
        guard let entry = Ext2Entry(reading: block, at: offset, inodeCount: inodeCount) else {
          throw .EIO
        }
        if entry.inode != 0, matches(entry, block) {
          guard let place = UInt32(exactly: index * 4096 + UInt64(offset)) else { throw .EIO }
          return FoundEntry(inode: entry.inode, offset: place)
        }
        offset = entry.end
      }
    }
    return nil
  }

  func firstEntry(in folder: Reference<Inode>, named name: FileName) throws(Errno) -> FoundEntry? {
    try firstEntry(in: folder) { entry, block in
      entry.nameLength == name.byteCount
        && block.holds(
          bytesOf: name.block, at: name.offset, at: entry.nameOffset, byteCount: name.byteCount)
    }
  }

  /// The file of a name in a folder of the disk.
  ///
  /// - Throws: ENOENT, ELOOP where a damaged disk leads back to a folder above, EIO, ENOMEM.
  /// - Context: may sleep.
  ///
  /// Linux: `ext2_lookup()`; of `..`, as there, the disk is not asked.
  func diskChild(_ name: FileName, of folder: Reference<Inode>) throws(Errno) -> Reference<Inode> {
    if name.equals("..") {
      let above = heap[folder].parent.reference ?? folder
      retain(above)
      return above
    }
    guard let found = try firstEntry(in: folder, named: name) else { throw .ENOENT }
    let child = try inode(numbered: found.inode, of: heap[folder].volume)
    do throws(Errno) {
      try settle(child, name, found, in: folder)
    } catch {
      release(child)
      throw error
    }
    return child
  }

  /// Notes where a file was found. A folder is in one place only: where a damaged disk has it in
  /// two, the latest counts, and it is never below itself.
  ///
  /// - Throws: ELOOP, EIO. Context: may sleep where a folder is found in a second place.
  /// - Complexity: O(folders above) where its place is new.
  ///
  /// Linux: `d_splice_alias()`.
  private func settle(
    _ child: Reference<Inode>, _ name: FileName, _ found: FoundEntry, in folder: Reference<Inode>
  ) throws(Errno) {
    let known = heap[child].parent.reference
    if known == folder, heap[child].entryOffset == found.offset { return }
    guard heap[child].mode.isFolder else {
      if known == nil { remember(child, at: found.offset, of: folder) }
      return
    }
    // Since the entry was read another task may have moved the folder, and knows better.
    if known != nil, try firstEntry(in: folder, named: name) != found { return }
    var above = folder
    while above != child {
      guard let next = heap[above].parent.reference else {
        return remember(child, at: found.offset, of: folder)
      }
      above = next
    }
    throw .ELOOP
  }

  /// Makes an entry of a folder the one that a file's path is made of.
  func remember(_ inode: Reference<Inode>, at place: UInt32, of folder: Reference<Inode>) {
    retain(folder)
    releaseParent(of: inode)
    heap[inode].parent = Link(folder)
    heap[inode].entryOffset = place
  }

  /// A file whose path led over an entry that goes has another path, or none.
  func forget(_ inode: Reference<Inode>, at place: UInt32, of folder: Reference<Inode>) {
    guard !heap[inode].mode.isFolder, heap[inode].parent.reference == folder,
      heap[inode].entryOffset == place
    else { return }
    releaseParent(of: inode)
  }
}
