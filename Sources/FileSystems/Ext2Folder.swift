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
struct FoundEntry: BitwiseCopyable {
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
  /// - Throws: ENOENT, EIO, ENOMEM.
  /// - Context: may sleep.
  func diskChild(_ name: FileName, of folder: Reference<Inode>) throws(Errno) -> Reference<Inode> {
    guard let found = try firstEntry(in: folder, named: name) else { throw .ENOENT }
    let child = try inode(numbered: found.inode, of: heap[folder].volume)
    if heap[child].parentNumber == 0, !name.equals("..") {
      heap[child].parentNumber = UInt32(heap[folder].number)
      heap[child].entryOffset = found.offset
    }
    return child
  }
}
