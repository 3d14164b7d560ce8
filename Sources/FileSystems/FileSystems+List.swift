// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageFrames

/// Entries on their way to a program: a page of them in the form of getdents64.
struct FolderListing: BitwiseCopyable {
  let block: MemoryBlock
  /// The room that the program has.
  let limit: Int
  var byteCount = 0

  init(in block: MemoryBlock, limit: Int) {
    self.block = block
    self.limit = min(limit, block.byteCount)
  }

  /// Gives the entries the older form: of the same size, the kind behind the name.
  ///
  /// Linux: `struct linux_dirent`.
  func makeOlder() {
    var start = 0
    while start < byteCount {
      let count = Int(block.load(UInt16.self, at: start + FolderEntryLayout.byteCountOffset))
      let kind: UInt8 = block.load(UInt8.self, at: start + FolderEntryLayout.kindOffset)
      for place in FolderEntryLayout.nameOffset..<count {
        let byte = block.load(UInt8.self, at: start + place)
        block.store(byte, at: start + place - 1)
      }
      block.store(kind, at: start + count - 1)
      start += count
    }
  }

  /// Makes room for an entry and writes all but its name; nil if it does not fit.
  private mutating func begin(
    inode: UInt64, next: UInt64, kind: UInt8, nameLength: Int
  ) -> Int? {
    let count = FolderEntryLayout.byteCount(nameLength: nameLength)
    guard byteCount + count <= limit else { return nil }
    let start = byteCount
    block.clear(from: start, byteCount: count)
    block.store(inode, at: start + FolderEntryLayout.inodeOffset)
    block.store(next, at: start + FolderEntryLayout.nextOffset)
    block.store(UInt16(count), at: start + FolderEntryLayout.byteCountOffset)
    block.store(kind, at: start + FolderEntryLayout.kindOffset)
    byteCount += count
    return start + FolderEntryLayout.nameOffset
  }

  /// Adds an entry; false if it does not fit.
  mutating func add(
    inode: UInt64, next: UInt64, kind: UInt8, name: MemoryBlock, at offset: Int, nameLength: Int
  ) -> Bool {
    guard let place = begin(inode: inode, next: next, kind: kind, nameLength: nameLength) else {
      return false
    }
    block.copy(from: name, at: offset, to: place, byteCount: nameLength)
    return true
  }

  mutating func add(inode: UInt64, next: UInt64, kind: UInt8, name: StaticString) -> Bool {
    let length = name.utf8CodeUnitCount
    guard let place = begin(inode: inode, next: next, kind: kind, nameLength: length) else {
      return false
    }
    block.store(text: name, at: place)
    return true
  }

  /// Adds an entry whose name is a number.
  mutating func add(inode: UInt64, next: UInt64, kind: UInt8, number: UInt32) -> Bool {
    var length = 1
    var rest = number / 10
    while rest > 0 {
      length += 1
      rest /= 10
    }
    guard let place = begin(inode: inode, next: next, kind: kind, nameLength: length) else {
      return false
    }
    rest = number
    for index in 0..<length {
      block.store(UInt8(0x30 + rest % 10), at: place + length - 1 - index)
      rest /= 10
    }
    return true
  }
}

/// The form of a folder's entries: that of `getdents64`, or of `getdents`.
public enum FolderEntryForm: BitwiseCopyable, Sendable { case current, older }

extension FileSystems {
  /// Reads entries of an open folder in the form of getdents64, and moves it on.
  ///
  /// - Returns: the bytes; 0 at the end. At most a page comes at a time.
  /// - Throws: ENOTDIR, EINVAL if not one entry fits, EFAULT, EIO, ENOMEM.
  /// - Context: may sleep.
  public func list(
    _ file: Reference<OpenFile>, to target: TransferMemory, byteCount: Int,
    _ form: FolderEntryForm = .current
  ) throws(Errno) -> Int {
    guard heap[file].behaviour == .folder else {
      throw heap[file].behaviour == .pathOnly ? .EBADF : .ENOTDIR
    }
    let inode = heap[file].inode
    let frame = try allocateFrames(.zero)
    defer { freeFrames(frame, .zero) }
    var listing = FolderListing(in: bytes(of: frame), limit: byteCount)
    let start = heap[file].position
    let next: UInt64
    switch heap[inode].tree {
    case .disk: next = try listDisk(inode, from: start, &listing)
    case .devices: next = listDevices(inode, from: start, &listing)
    case .memory: next = try listMemory(inode, from: start, &listing)
    case .processes: next = try listProcesses(inode, from: start, &listing)
    case .system: next = listSystem(inode, from: start, &listing)
    case .pipes, .streams, .sockets, .nameless: throw .ENOTDIR
    }
    guard listing.byteCount > 0 else {
      // Entries are left, but none fits; or only empty ones were.
      guard next == start || isListed(inode, upTo: next) else { throw .EINVAL }
      heap[file].position = next
      return 0
    }
    if form == .older { listing.makeOlder() }
    _ = try deliver(bytes(of: frame), at: 0, byteCount: listing.byteCount, to: target)
    heap[file].position = next
    return listing.byteCount
  }

  private func isListed(_ folder: Reference<Inode>, upTo position: UInt64) -> Bool {
    heap[folder].tree != .disk || position >= heap[folder].byteCount
  }

  /// Lists a folder of the disk from a byte offset on; returns where to go on.
  private func listDisk(
    _ folder: Reference<Inode>, from start: UInt64, _ listing: inout FolderListing
  ) throws(Errno) -> UInt64 {
    guard let file = heap[folder].file.reference else { throw .EIO }
    let inodeCount = state.value.disks[disk(of: folder)].volume.inodeCount
    var position = start
    while position < heap[folder].byteCount {
      let frame = try page(of: file, index: position >> 12)
      defer { _ = frames.release(frame) }
      let block = bytes(of: frame)
      let base = position & ~4095
      // A seek may have led between two entries, so they are followed from the page's start.
      var offset = 0
      while offset < block.byteCount {
        guard let entry = Ext2Entry(reading: block, at: offset, inodeCount: inodeCount) else {
          throw .EIO
        }
        offset = entry.end
        guard base + UInt64(entry.offset) >= position else { continue }
        guard entry.inode == 0 || isName(entry, in: block) else {
          // What comes before it is told first.
          guard listing.byteCount > 0 else { throw .EIO }
          return base + UInt64(entry.offset)
        }
        if entry.inode != 0,
          !listing.add(
            inode: UInt64(entry.inode), next: base + UInt64(entry.end), kind: entry.entryKind,
            name: block, at: entry.nameOffset, nameLength: entry.nameLength)
        {
          guard listing.byteCount > 0 else { throw .EINVAL }
          return base + UInt64(entry.offset)
        }
      }
      position = base + 4096
    }
    return position
  }

  /// Whether programs can be told a name: one that is empty would lead them to where they are.
  ///
  /// Linux: `verify_dirent_name()`.
  private func isName(_ entry: Ext2Entry, in block: MemoryBlock) -> Bool {
    guard entry.nameLength > 0 else { return false }
    for index in 0..<entry.nameLength {
      let byte: UInt8 = block.load(UInt8.self, at: entry.nameOffset + index)
      if byte == PathText.slash { return false }
    }
    return true
  }

  /// Lists /dev or its empty folder; positions are entries, from 0.
  private func listDevices(
    _ folder: Reference<Inode>, from start: UInt64, _ listing: inout FolderListing
  ) -> UInt64 {
    var position = start
    let node = DeviceNode(number: heap[folder].number)
    let entries = DeviceNode.entries
    if node == .pseudoTerminals, start >= 2 { return listTerminals(from: start, &listing) }
    if node == .bufferHeaps, start >= 2 { return listBufferHeaps(from: start, &listing) }
    let count = node == .folder ? UInt64(entries.count) + 2 : 2
    while position < count {
      let isAdded: Bool
      if position < 2 {
        isAdded = listing.add(
          inode: heap[folder].number, next: position + 1, kind: FileMode.folder.entryKind,
          name: position == 0 ? "." : "..")
      } else {
        let raw = entries.lowerBound + UInt8(position - 2)
        guard let entry = DeviceNode(rawValue: raw) else { break }
        isAdded = listing.add(
          inode: UInt64(raw), next: position + 1, kind: entry.mode.entryKind, name: entry.name)
      }
      guard isAdded else { break }
      position += 1
    }
    guard position == 2, count == 2 else { return position }
    if node == .bufferHeaps { return listBufferHeaps(from: position, &listing) }
    guard node == .pseudoTerminals else { return position }
    return listTerminals(from: position, &listing)
  }
}
