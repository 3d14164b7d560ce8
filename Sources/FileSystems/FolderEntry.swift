// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageFrames

/// A name in a folder of a file system in memory.
///
/// It holds its inode. One that was removed while its inode was still in use becomes the inode's,
/// for its path, and then holds the folder instead.
///
/// Linux: `struct dentry`.
struct FolderEntry: HeapObject {
  static var cacheName: StaticString { "dentry" }
  static var cacheIndex: Int { 44 }

  /// None of a memory file's, which is in no folder.
  var folder: Link<Inode>
  var inode: Link<Inode>
  var isRemoved = false
  var byteCount: UInt8
  var hash: UInt32
  /// Entries of the same folder and time: what getdents counts by. Linux: `simple_offset_add()`.
  var position: UInt64 = 0
  /// Of the folder, by their age.
  var newer = Link<FolderEntry>(nil)
  var older = Link<FolderEntry>(nil)
  var nextOfChain = Link<FolderEntry>(nil)
  /// The first bytes of the name.
  var start = InlineArray<36, UInt8>(repeating: 0)
  /// The others of a name that is longer, in the kernel's heap. Linux: `struct external_name`.
  var rest: PhysicalAddress?

  static var startByteCount: Int { 36 }

  init(folder: Link<Inode>, inode: Reference<Inode>, byteCount: Int, hash: UInt32) {
    self.folder = folder
    self.inode = Link(inode)
    self.byteCount = UInt8(byteCount)
    self.hash = hash
  }

  mutating func storeStart(_ block: MemoryBlock, at offset: Int, byteCount count: Int) {
    withMemoryBlock(over: &start) { $0.copy(from: block, at: offset, to: 0, byteCount: count) }
  }

  mutating func copyStart(to block: MemoryBlock, at offset: Int, byteCount count: Int) {
    withMemoryBlock(over: &start) { block.copy(from: $0, at: 0, to: offset, byteCount: count) }
  }

  mutating func startEquals(_ block: MemoryBlock, at offset: Int, byteCount count: Int) -> Bool {
    withMemoryBlock(over: &start) {
      $0.holds(bytesOf: block, at: offset, at: 0, byteCount: count)
    }
  }
}

/// Names of folders in memory: chains by folder and name, and a list for each folder.
extension FileSystems {
  private func hash(_ name: FileName, in folder: Link<Inode>) -> UInt32 {
    var hash: UInt32 = 0x811C_9DC5 ^ (folder.reference?.raw ?? 0)
    for place in name.offset..<(name.offset + name.byteCount) {
      hash = (hash ^ UInt32(name.block.load(UInt8.self, at: place))) &* 0x0100_0193
    }
    return hash ^ hash >> 15
  }

  private func chain(_ hash: UInt32) -> Int {
    Int(hash) & (FileSystemState.entryChainCount - 1)
  }

  /// The entry of a name; nil where there is none.
  ///
  /// - Complexity: O(1) on average up to some thousand names.
  func entry(of name: FileName, in folder: Reference<Inode>) -> Reference<FolderEntry>? {
    let hash = hash(name, in: Link(folder))
    var link = state.value.entryTable[chain(hash)]
    while let entry = link.reference {
      if heap[entry].hash == hash, heap[entry].folder.reference == folder, equals(entry, name) {
        return entry
      }
      link = heap[entry].nextOfChain
    }
    return nil
  }

  private func equals(_ entry: Reference<FolderEntry>, _ name: FileName) -> Bool {
    let count = Int(heap[entry].byteCount)
    guard count == name.byteCount else { return false }
    let start = min(count, FolderEntry.startByteCount)
    guard heap[entry].startEquals(name.block, at: name.offset, byteCount: start) else {
      return false
    }
    guard let rest = rest(of: entry) else { return true }
    return rest.holds(
      bytesOf: name.block, at: name.offset + start, at: 0, byteCount: count - start)
  }

  /// Copies an entry's name. Context: any.
  func copyName(of entry: Reference<FolderEntry>, to block: MemoryBlock, at offset: Int) {
    let count = Int(heap[entry].byteCount)
    let start = min(count, FolderEntry.startByteCount)
    heap[entry].copyStart(to: block, at: offset, byteCount: start)
    if let rest = rest(of: entry) {
      block.copy(from: rest, at: 0, to: offset + start, byteCount: count - start)
    }
  }

  /// What of a name does not fit into its entry.
  private func rest(of entry: Reference<FolderEntry>) -> MemoryBlock? {
    guard let address = heap[entry].rest else { return nil }
    return bytes(
      at: address, byteCount: Int(heap[entry].byteCount) - FolderEntry.startByteCount)
  }

  /// A new entry that is in no folder yet and holds no inode.
  ///
  /// - Throws: ENOMEM.
  func makeEntry(
    _ name: FileName, in folder: Link<Inode>, of inode: Reference<Inode>
  ) throws(Errno) -> Reference<FolderEntry> {
    let entry = try allocate(
      FolderEntry(
        folder: folder, inode: inode, byteCount: name.byteCount, hash: hash(name, in: folder)))
    let start = min(name.byteCount, FolderEntry.startByteCount)
    heap[entry].storeStart(name.block, at: name.offset, byteCount: start)
    guard name.byteCount > start else { return entry }
    do {
      let rest = try allocateBytes(name.byteCount - start)
      bytes(at: rest, byteCount: name.byteCount - start).copy(
        from: name.block, at: name.offset + start, to: 0, byteCount: name.byteCount - start)
      heap[entry].rest = rest
    } catch {
      heap.free(entry)
      throw error
    }
    return entry
  }

  func freeEntry(_ entry: Reference<FolderEntry>) {
    if let rest = heap[entry].rest { byteHeap.free(at: rest) }
    heap.free(entry)
  }

  /// Puts an entry into its folder, as the newest. Context: any.
  func insert(_ entry: Reference<FolderEntry>) {
    guard let folder = heap[entry].folder.reference else {
      preconditionFailure("an entry without a folder")
    }
    let place = chain(heap[entry].hash)
    heap[entry].nextOfChain = state.value.entryTable[place]
    state.value.entryTable[place] = Link(entry)
    let first = heap[folder].firstEntry
    heap[entry].older = first
    if let first = first.reference { heap[first].newer = Link(entry) }
    heap[folder].firstEntry = Link(entry)
    state.value.lastEntryPosition += 1
    heap[entry].position = state.value.lastEntryPosition
    heap[folder].byteCount += Self.entryByteCount
  }

  /// Takes an entry out of its folder; it still holds its inode. Context: any.
  func remove(_ entry: Reference<FolderEntry>) {
    guard let folder = heap[entry].folder.reference else {
      preconditionFailure("an entry without a folder")
    }
    removeFromChain(entry)
    let newer = heap[entry].newer
    let older = heap[entry].older
    if let newer = newer.reference {
      heap[newer].older = older
    } else {
      heap[folder].firstEntry = older
    }
    if let older = older.reference { heap[older].newer = newer }
    heap[entry].newer = Link(nil)
    heap[entry].older = Link(nil)
    heap[folder].byteCount -= Self.entryByteCount
  }

  private func removeFromChain(_ entry: Reference<FolderEntry>) {
    let place = chain(heap[entry].hash)
    guard state.value.entryTable[place].reference != entry else {
      state.value.entryTable[place] = heap[entry].nextOfChain
      return
    }
    var link = state.value.entryTable[place]
    while let current = link.reference {
      link = heap[current].nextOfChain
      if link.reference == entry {
        heap[current].nextOfChain = heap[entry].nextOfChain
        return
      }
    }
    preconditionFailure("an entry outside its chain")
  }

  /// What a name adds to its folder's size. Linux: `BOGO_DIRENT_SIZE`.
  static var entryByteCount: UInt64 { 20 }
}
