// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageFrames

/// What of an inode in memory is not on its disk yet.
enum InodeDirt: UInt8, BitwiseCopyable, Comparable {
  case none
  /// Times, which `fdatasync` leaves out.
  case times
  /// What is needed to find its data.
  case whole

  static func < (left: Self, right: Self) -> Bool { left.rawValue < right.rawValue }
}

/// Inodes on their way to the disk: a list of those that changed in memory, which are copied into
/// the pages of their tables before those are written.
///
/// Linux: `mark_inode_dirty()`, `__ext2_write_inode()`.
extension FileSystems {
  /// Takes note that mode, owner or times of an inode have changed in memory.
  ///
  /// The disk keeps whole seconds, of 32 bits.
  func diskNoteChanged(_ inode: Reference<Inode>) {
    guard !isReadOnly(heap[inode].volume) else { return }
    heap[inode].accessed = heap[inode].accessed.wholeSeconds
    heap[inode].modified = heap[inode].modified.wholeSeconds
    heap[inode].changed = heap[inode].changed.wholeSeconds
    noteDirt(of: inode, .times)
  }

  /// - Context: any.
  func noteDirt(of inode: Reference<Inode>, _ dirt: InodeDirt) {
    let old = heap[inode].dirt
    if old < dirt { heap[inode].dirt = dirt }
    guard old == .none else { return }
    let disk = disk(of: inode)
    let first = state.value.disks[disk].firstDirtyInode
    heap[inode].previousDirty = Link(nil)
    heap[inode].nextDirty = first
    if let first = first.reference { heap[first].previousDirty = Link(inode) }
    state.value.disks[disk].firstDirtyInode = Link(inode)
    state.value.disks[disk].dirtyInodeCount += 1
    let count = state.value.disks[disk].dirtyInodeCount
    if count == 1 { environment.wakeFlusher(.later) }
    if count == FileSystemState.unusedLimit { environment.wakeFlusher(.now) }
  }

  /// Takes an inode from the list of those that changed.
  func forgetDirt(of inode: Reference<Inode>) {
    guard heap[inode].dirt != .none else { return }
    heap[inode].dirt = .none
    let disk = disk(of: inode)
    let (next, previous) = (heap[inode].nextDirty, heap[inode].previousDirty)
    if let next = next.reference { heap[next].previousDirty = previous }
    if let previous = previous.reference {
      heap[previous].nextDirty = next
    } else {
      state.value.disks[disk].firstDirtyInode = next
    }
    heap[inode].nextDirty = Link(nil)
    heap[inode].previousDirty = Link(nil)
    state.value.disks[disk].dirtyInodeCount -= 1
  }

  /// Copies all inodes that changed into their tables' pages.
  ///
  /// - Throws: EIO, ENOMEM. Context: may sleep.
  func storeInodes(of disk: Int) throws(Errno) {
    while let inode = state.value.disks[disk].firstDirtyInode.reference {
      // One without a name is stored when it is freed.
      guard heap[inode].linkCount > 0 else {
        forgetDirt(of: inode)
        continue
      }
      hold(inode)
      defer { release(inode) }
      try store(inode)
    }
  }

  /// Copies an inode into its table's page.
  ///
  /// - Parameter deletedAt: the time, of one that is freed.
  /// - Throws: EIO, ENOMEM; what changed is then given up.
  /// - Context: may sleep.
  func store(_ inode: Reference<Inode>, deletedAt: UInt32 = 0) throws(Errno) {
    let disk = disk(of: inode)
    let number = UInt32(heap[inode].number)
    let volume = state.value.disks[disk].volume
    defer { forgetDirt(of: inode) }
    let place = volume.place(ofInode: number)
    let group = try group((number - 1) / volume.inodesPerGroup, of: disk)
    let block = group.inodeTable + UInt32(place.block)
    let frame = try volumeBlock(block, of: disk)
    write(heap[inode], deletedAt, to: bytes(of: frame), at: place.offset)
    spaces.markDirty(frame, block: block)
    _ = frames.release(frame)
  }

  /// Makes all bytes of a new inode's place in its table zeros, those that no field has too.
  func clearInode(_ number: UInt32, of disk: Int) throws(Errno) {
    let volume = state.value.disks[disk].volume
    let place = volume.place(ofInode: number)
    let group = try group((number - 1) / volume.inodesPerGroup, of: disk)
    try changeBlock(group.inodeTable + UInt32(place.block), of: disk) { bytes in
      bytes.clear(from: place.offset, byteCount: Int(volume.inodeByteCount))
    }
  }

  private func write(
    _ inode: Inode, _ deletedAt: UInt32, to block: MemoryBlock, at offset: Int
  ) {
    func word(_ value: UInt32, _ place: Int) { block.store(value, at: offset + place) }
    func half(_ value: UInt32, _ place: Int) {
      block.store(UInt16(truncatingIfNeeded: value), at: offset + place)
    }
    half(UInt32(inode.mode.rawValue), 0)
    half(inode.user, 2)
    word(UInt32(truncatingIfNeeded: inode.byteCount), 4)
    word(UInt32(truncatingIfNeeded: inode.accessed.seconds), 8)
    word(UInt32(truncatingIfNeeded: inode.changed.seconds), 12)
    word(UInt32(truncatingIfNeeded: inode.modified.seconds), 16)
    word(deletedAt, 20)
    half(inode.group, 24)
    half(inode.linkCount, 26)
    word(UInt32(truncatingIfNeeded: inode.sectorCount), 28)
    for index in 0..<15 { word(inode.blocks[index], 40 + 4 * index) }
    if inode.mode.isRegular { word(UInt32(truncatingIfNeeded: inode.byteCount >> 32), 108) }
    half(inode.user >> 16, 120)
    half(inode.group >> 16, 122)
  }

  /// Notes in the superblock that there is a file that older drivers cannot read.
  func noteLargeFile(of disk: Int) throws(Errno) {
    let largeFile: UInt32 = 2
    try changeSuperblock(of: disk) { bytes in
      bytes.store(bytes.load(UInt32.self, at: 100) | largeFile, at: 100)
    }
  }
}

extension TimeOfFile {
  fileprivate var wholeSeconds: Self {
    Self(seconds: min(max(seconds, Int64(Int32.min)), Int64(Int32.max)))
  }
}
