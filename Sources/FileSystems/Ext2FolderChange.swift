// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageFrames

/// Changing the entries of folders on a disk.
///
/// Context of all: names of the volume are kept by the caller; may sleep.
///
/// Linux: `fs/ext2/dir.c`.
extension FileSystems {
  /// Bytes that an entry with a name of a length takes at least. Linux: `EXT2_DIR_REC_LEN()`.
  private static func room(forName length: Int) -> Int { (8 + length + 3) & ~3 }

  /// Adds an entry in the first gap that is large enough, or in a new page.
  ///
  /// - Returns: where it is.
  /// - Throws: ENOSPC, EIO, ENOMEM.
  /// - Complexity: O(entries), from the last place that had room on.
  ///
  /// Linux: `ext2_add_link()`.
  func addEntry(
    _ name: FileName, _ inode: Reference<Inode>, to folder: Reference<Inode>
  ) throws(Errno) -> UInt32 {
    guard let file = heap[folder].file.reference else { throw .EIO }
    let needed = Self.room(forName: name.byteCount)
    let pageCount = heap[folder].byteCount >> 12
    var index = UInt64(heap[folder].roomHint)
    while index < pageCount {
      let frame = try page(of: file, index: index)
      defer { _ = frames.release(frame) }
      if let offset = try gap(in: bytes(of: frame), needed, folder) {
        let block = try folderBlock(of: folder, frame, index)
        put(name, inode, at: offset, in: bytes(of: frame), folder)
        spaces.markDirty(frame, block: block)
        return UInt32(index << 12) + UInt32(offset)
      }
      index += 1
      heap[folder].roomHint = UInt32(index)
    }
    return try addPage(to: folder, file) { bytes in
      bytes.store(UInt16(4096), at: 4)
      put(name, inode, at: 0, in: bytes, folder)
    }
  }

  /// Adds a page of entries that a body fills; returns its offset.
  private func addPage(
    to folder: Reference<Inode>, _ file: Reference<CachedFile>, _ fill: (MemoryBlock) -> Void
  ) throws(Errno) -> UInt32 {
    let index = heap[folder].byteCount >> 12
    guard index < 1 << 19 else { throw .ENOSPC }
    let frame = try emptyPage(of: file, index: index)
    defer { _ = frames.release(frame) }
    let block = try blockToWrite(of: folder, index: index, inside: false)
    bytes(of: frame).clear()
    fill(bytes(of: frame))
    spaces.markDirty(frame, block: block)
    grow(folder, to: (index + 1) << 12)
    noteDirt(of: folder, .whole)
    return UInt32(index << 12)
  }

  /// Where in a page an entry of a size can begin; its byte count is then set.
  private func gap(
    in bytes: MemoryBlock, _ needed: Int, _ folder: Reference<Inode>
  ) throws(Errno) -> Int? {
    let limit = state.value.disks[disk(of: folder)].volume.inodeCount
    var offset = 0
    while offset < bytes.byteCount {
      guard let entry = Ext2Entry(reading: bytes, at: offset, inodeCount: limit) else {
        throw .EIO
      }
      if entry.inode == 0, entry.byteCount >= needed { return offset }
      let used = Self.room(forName: entry.nameLength)
      if entry.inode != 0, entry.byteCount - used >= needed {
        bytes.store(UInt16(used), at: offset + 4)
        bytes.store(UInt32(0), at: offset + used)
        bytes.store(UInt16(entry.byteCount - used), at: offset + used + 4)
        return offset + used
      }
      offset = entry.end
    }
    return nil
  }

  /// Fills an entry whose byte count is there.
  private func put(
    _ name: FileName, _ inode: Reference<Inode>, at offset: Int, in bytes: MemoryBlock,
    _ folder: Reference<Inode>
  ) {
    bytes.store(UInt32(heap[inode].number), at: offset)
    bytes.store(UInt8(name.byteCount), at: offset + 6)
    bytes.store(entryKind(of: inode), at: offset + 7)
    bytes.copy(from: name.block, at: name.offset, to: offset + 8, byteCount: name.byteCount)
  }

  /// The kind as entries say it; 0 on a volume that does not. Linux: `ext2_set_de_type()`.
  private func entryKind(of inode: Reference<Inode>) -> UInt8 {
    guard state.value.disks[disk(of: inode)].volume.tellsKinds else { return 0 }
    switch heap[inode].mode.kind {
    case .regular: return 1
    case .folder: return 2
    case .characterDevice: return 3
    case .blockDevice: return 4
    case .pipe: return 5
    case .socket: return 6
    case .link: return 7
    default: return 0
    }
  }

  /// The block of a folder's page that is to be changed.
  private func folderBlock(
    of folder: Reference<Inode>, _ frame: PageFrameNumber, _ index: UInt64
  ) throws(Errno) -> UInt32 {
    if frames.table[frame].flags.contains(.dirty) { return frames.table[frame].privateWord }
    // A folder has no holes.
    guard let block = try diskBlock(of: folder, index: index) else { throw .EIO }
    return block
  }

  /// Changes the entry at an offset of a folder.
  ///
  /// - Parameter body: is given the page, the entry, and the one before it in its page.
  private func changeEntry(
    at place: UInt32, of folder: Reference<Inode>,
    _ body: (MemoryBlock, Ext2Entry, Ext2Entry?) -> Void
  ) throws(Errno) {
    guard let file = heap[folder].file.reference else { throw .EIO }
    let limit = state.value.disks[disk(of: folder)].volume.inodeCount
    let index = UInt64(place >> 12)
    let frame = try page(of: file, index: index)
    defer { _ = frames.release(frame) }
    let block = try folderBlock(of: folder, frame, index)
    var before: Ext2Entry?
    var offset = 0
    while offset < 4096 {
      guard let entry = Ext2Entry(reading: bytes(of: frame), at: offset, inodeCount: limit)
      else { throw .EIO }
      if offset == Int(place & 4095) {
        body(bytes(of: frame), entry, before)
        spaces.markDirty(frame, block: block)
        return
      }
      before = entry
      offset = entry.end
    }
    throw .EIO
  }

  /// Removes an entry: its bytes become the one's before it. Linux: `ext2_delete_entry()`.
  func removeEntry(at place: UInt32, of folder: Reference<Inode>) throws(Errno) {
    try changeEntry(at: place, of: folder) { bytes, entry, before in
      if let before {
        bytes.store(UInt16(before.byteCount + entry.byteCount), at: before.offset + 4)
      }
      bytes.store(UInt32(0), at: entry.offset)
    }
    heap[folder].roomHint = min(heap[folder].roomHint, place >> 12)
  }

  /// Makes an entry stand for another file. Linux: `ext2_set_link()`.
  func setEntry(
    at place: UInt32, of folder: Reference<Inode>, to inode: Reference<Inode>
  ) throws(Errno) {
    let number = UInt32(heap[inode].number)
    let kind = entryKind(of: inode)
    try changeEntry(at: place, of: folder) { bytes, entry, _ in
      bytes.store(number, at: entry.offset)
      bytes.store(kind, at: entry.offset + 7)
    }
  }

  /// Makes the first page of a new folder: itself and the one above. Linux: `ext2_make_empty()`.
  func addDots(to folder: Reference<Inode>, under above: Reference<Inode>) throws(Errno) {
    guard let file = heap[folder].file.reference else { throw .EIO }
    let kind = entryKind(of: folder)
    let numbers = (UInt32(heap[folder].number), UInt32(heap[above].number))
    _ = try addPage(to: folder, file) { bytes in
      bytes.store(numbers.0, at: 0)
      bytes.store(UInt16(12), at: 4)
      bytes.store(UInt8(1), at: 6)
      bytes.store(kind, at: 7)
      bytes.store(text: ".", at: 8)
      bytes.store(numbers.1, at: 12)
      bytes.store(UInt16(4084), at: 16)
      bytes.store(UInt8(2), at: 18)
      bytes.store(kind, at: 19)
      bytes.store(text: "..", at: 20)
    }
  }

  /// Where the entry of a folder is that stands for the one above.
  func dotsEntry(of folder: Reference<Inode>) throws(Errno) -> FoundEntry {
    let found = try firstEntry(in: folder) { entry, block in
      block.holds(text: "..", at: entry.nameOffset, byteCount: entry.nameLength)
    }
    guard let found else { throw .EIO }
    return found
  }

  /// Whether a folder has nothing but its dots.
  func diskIsEmpty(_ folder: Reference<Inode>) throws(Errno) -> Bool {
    let found = try firstEntry(in: folder) { entry, block in
      !block.holds(text: ".", at: entry.nameOffset, byteCount: entry.nameLength)
        && !block.holds(text: "..", at: entry.nameOffset, byteCount: entry.nameLength)
    }
    return found == nil
  }
}
