// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageFrames

/// Writing files of a disk, and seeing to it that what was written is there.
extension FileSystems {
  /// Writes bytes into a file, which grows if need be; nothing of them is more than
  /// `diskLargestByteCount` of its volume.
  ///
  /// - Returns: the bytes written; fewer where the disk is full or the source's memory ends.
  /// - Throws: ENOSPC, EFAULT, EIO, ENOMEM, if nothing was written.
  /// - Context: may sleep; the file's contents are kept by the caller.
  ///
  /// Linux: `generic_perform_write()`, `ext2_write_begin()`.
  func diskWrite(
    _ inode: Reference<Inode>, at position: UInt64, from source: TransferMemory, byteCount: Int
  ) throws(Errno) -> Int {
    guard let file = heap[inode].file.reference else { throw .EINVAL }
    let end = position + UInt64(byteCount)
    if position > heap[inode].byteCount { try clearTail(of: inode, file) }
    if end > 0x7FFF_FFFF, heap[inode].byteCount <= 0x7FFF_FFFF {
      try noteLargeFile(of: disk(of: inode))
    }
    var done = 0
    while done < byteCount {
      spaces.throttleWriter()
      do {
        let count = try writePart(
          of: inode, file, at: position + UInt64(done), from: source.advanced(by: done),
          byteCount: byteCount - done)
        done += count.copied
        if count.copied < count.wanted { break }
      } catch {
        if done > 0 { return done }
        throw error
      }
    }
    guard done > 0 else { throw .EFAULT }
    return done
  }

  /// Writes what falls into one page.
  private func writePart(
    of inode: Reference<Inode>, _ file: Reference<CachedFile>, at place: UInt64,
    from source: TransferMemory, byteCount: Int
  ) throws(Errno) -> (copied: Int, wanted: Int) {
    let index = place >> 12
    let offset = Int(place & 4095)
    let wanted = min(byteCount, 4096 - offset)
    // Behind the end there is nothing to be read; elsewhere what is not overwritten stays.
    let frame =
      index >= heap[file].indexLimit
      ? try emptyPage(of: file, index: index) : try page(of: file, index: index)
    defer { _ = frames.release(frame) }
    let block =
      frames.table[frame].flags.contains(.dirty)
      ? frames.table[frame].privateWord : try blockToWrite(of: inode, index: index, inside: false)
    let copied = copy(from: source, byteCount: wanted, to: bytes(of: frame), at: offset)
    spaces.markDirty(frame, block: block)
    let end = place + UInt64(copied)
    if copied > 0, end > heap[inode].byteCount {
      grow(inode, to: end)
      noteDirt(of: inode, .whole)
    }
    return (copied, wanted)
  }

  /// Makes zeros of what a program wrote behind the end through a mapping, before the end moves.
  private func clearTail(
    of inode: Reference<Inode>, _ file: Reference<CachedFile>
  ) throws(Errno) {
    let rest = Int(heap[inode].byteCount & 4095)
    guard rest != 0, heap[inode].byteCount > 0 else { return }
    spaces.clear(file, index: heap[inode].byteCount >> 12, from: rest, to: 4096)
  }

  /// Writes what of a file is in memory only, and waits for it: data, then what leads to them,
  /// then the device's own cache.
  ///
  /// - Throws: EIO where it cannot even be begun; what failed is told to open files.
  /// - Context: may sleep. Linux: `ext2_fsync()`.
  func diskSynchronize(_ inode: Reference<Inode>) throws(Errno) {
    try synchronize(inode, from: 0, through: .max >> 1, evenTimes: true)
  }

  /// As `diskSynchronize`, but for an inode of which only times changed. Linux: `fdatasync`.
  func synchronizeData(_ inode: Reference<Inode>) throws(Errno) {
    guard heap[inode].tree == .disk, !isReadOnly(heap[inode].volume) else {
      return try synchronize(inode)
    }
    try synchronize(inode, from: 0, through: .max >> 1, evenTimes: false)
  }

  /// Writes pages of a mapped file, and waits for them. Linux: `vfs_fsync_range()`.
  ///
  /// - Throws: EIO. Context: may sleep.
  public func synchronize(
    mapped file: Reference<CachedFile>, from first: UInt64, through last: UInt64
  ) throws(Errno) {
    guard heap[file].backing == .disk, heap[file].owner != 0 else { return }
    let inode = Reference<Inode>(raw: heap[file].owner)
    guard !isReadOnly(heap[inode].volume) else { return }
    guard heap[inode].linkCount > 0 else { return spaces.writeAndWait(for: file) }
    hold(inode)
    defer { release(inode) }
    try synchronize(inode, from: first, through: last, evenTimes: true)
    if spaces.takeWriteErrorOfMappings(of: file) { throw .EIO }
  }

  /// As `diskSynchronize`, for the pages of an index range.
  ///
  /// - Parameter evenTimes: whether an inode is written of which only times changed.
  func synchronize(
    _ inode: Reference<Inode>, from first: UInt64, through last: UInt64, evenTimes: Bool
  ) throws(Errno) {
    let disk = disk(of: inode)
    if let file = heap[inode].file.reference {
      spaces.writeAndWait(for: file, from: first, through: last)
    }
    if heap[inode].dirt == .whole || (evenTimes && heap[inode].dirt == .times) {
      try store(inode)
    }
    if let device = state.value.disks[disk].device.reference { spaces.writeAndWait(for: device) }
    try flush(disk: disk)
  }

  /// Writes what of all files of a disk is in memory only, and waits for it.
  ///
  /// - Context: may sleep. Linux: `sync_filesystem()`.
  func diskSynchronizeAll(_ volume: MountPlace) throws(Errno) {
    let disk = Disk.index(of: volume)
    _ = try reapOrphans(of: disk)
    try storeInodes(of: disk)
    try storeSuperblock(of: disk, isClean: false)
    writeAllPages(of: disk)
    try flush(disk: disk)
  }

  /// Only one disk can be written to, so that all dirty pages are its own.
  private func writeAllPages(of disk: Int) {
    let start = machine.now
    while let file = spaces.oldestDirtyFile, heap[file].dirtiedAt <= start {
      spaces.retain(file)
      spaces.startWriteBack(of: file, .asleep)
      let isDone = heap[file].dirtyCount == .zero
      if !isDone { spaces.rotateDirtyFile(file) }
      spaces.release(file)
      if !isDone, machine.now <= start { break }
    }
    while state.value.disks[disk].writesInFlight > 0 { environment.sleep(on: Self.diskKey) }
  }

  /// Where the largest file of a disk ends: its inode counts sectors with 32 bits.
  /// Linux: `s_maxbytes`.
  func diskLargestByteCount(_ volume: MountPlace) -> UInt64 { 0x200_0000_0000 }
}
