// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageFrames

/// Cutting files, and freeing those that nobody can reach any more.
extension FileSystems {
  /// Makes a file end at a byte.
  ///
  /// - Throws: EIO, ENOMEM. Context: may sleep; the file's contents are kept by the caller.
  ///
  /// Linux: `ext2_setsize()`.
  func diskTruncate(_ inode: Reference<Inode>, to byteCount: UInt64) throws(Errno) {
    guard let file = heap[inode].file.reference else { throw .EINVAL }
    let old = heap[inode].byteCount
    // What a program wrote behind the end, or what is cut off, reads as zeros from now on.
    try clearTail(of: inode, file, from: min(old, byteCount))
    heap[inode].byteCount = byteCount
    if byteCount > old {
      heap[file].byteCount = byteCount
      if byteCount > 0x7FFF_FFFF { try noteLargeFile(of: disk(of: inode)) }
    } else {
      spaces.truncate(file, to: byteCount)
      let index = (byteCount + 4095) >> 12
      try withAllocation(of: disk(of: inode)) { () throws(Errno) in
        try freeBlocks(of: inode, from: index)
      }
    }
    noteDirt(of: inode, .whole)
  }

  /// Writes zeros from a byte to the end of its page, where the page has a block.
  private func clearTail(
    of inode: Reference<Inode>, _ file: Reference<CachedFile>, from byte: UInt64
  ) throws(Errno) {
    let rest = Int(byte & 4095)
    guard rest != 0, let block = try diskBlock(of: inode, index: byte >> 12) else { return }
    let frame = try page(of: file, index: byte >> 12)
    bytes(of: frame).clear(from: rest, byteCount: 4096 - rest)
    spaces.markDirty(frame, block: block)
    _ = frames.release(frame)
  }

  /// Gives back the blocks of all pages from one on.
  ///
  /// - Throws: EIO where the disk is damaged: the rest is then lost, and nothing given away twice.
  /// - Precondition: none of these pages is in the cache.
  /// - Context: inside `withAllocation`; may sleep.
  ///
  /// Linux: `__ext2_truncate_blocks()`.
  private func freeBlocks(of inode: Reference<Inode>, from first: UInt64) throws(Errno) {
    heap[inode].lastBlock = 0
    var base: UInt64 = 0
    for slot in 0..<15 {
      let depth = max(0, slot - 11)
      let span: UInt64 = 1 << UInt64(10 * depth)
      defer { base += span }
      let block = heap[inode].blocks[slot]
      guard block != 0, base + span > first else { continue }
      // Noted before: an error later on must not lead to a block that is free.
      let keeps = base < first
      if !keeps { heap[inode].blocks[slot] = 0 }
      noteDirt(of: inode, .whole)
      if depth > 0 {
        try freePointers(
          in: block, depth: depth, from: keeps ? first - base : 0, of: inode)
      }
      if !keeps { try giveBack(block, of: inode, isTable: depth > 0) }
    }
  }

  /// Gives back what a block of pointers leads to, from a page of its own on.
  private func freePointers(
    in table: UInt32, depth: Int, from first: UInt64, of inode: Reference<Inode>
  ) throws(Errno) {
    let frame = try volumeBlock(table, of: disk(of: inode))
    defer { _ = frames.release(frame) }
    let span: UInt64 = 1 << UInt64(10 * (depth - 1))
    for index in Int(first / span)..<1024 {
      let block = bytes(of: frame).load(UInt32.self, at: 4 * index)
      guard block != 0 else { continue }
      let keeps = UInt64(index) * span < first
      if !keeps {
        bytes(of: frame).store(0 as UInt32, at: 4 * index)
        spaces.markDirty(frame, block: table)
      }
      if depth > 1 {
        let rest = keeps ? first - UInt64(index) * span : 0
        try freePointers(in: block, depth: depth - 1, from: rest, of: inode)
      }
      if !keeps { try giveBack(block, of: inode, isTable: depth > 1) }
    }
  }

  private func giveBack(
    _ block: UInt32, of inode: Reference<Inode>, isTable: Bool
  ) throws(Errno) {
    let disk = disk(of: inode)
    // What is left of it in the cache must not be written over what comes next.
    if isTable, let device = state.value.disks[disk].device.reference {
      spaces.removePages(of: device, from: UInt64(block), to: UInt64(block) + 1)
    }
    try freeBlock(block, of: disk)
    if heap[inode].sectorCount >= 8 { heap[inode].sectorCount -= 8 }
  }

  // Files without names

  /// Notes that an inode has neither name nor user: it is freed by and by.
  ///
  /// - Context: any; never sleeps.
  func pushOrphan(_ inode: Reference<Inode>) {
    let disk = disk(of: inode)
    heap[inode].nextUnused = state.value.disks[disk].firstOrphan
    state.value.disks[disk].firstOrphan = Link(inode)
    environment.wakeFlusher(.now)
  }

  /// Takes an inode back that has a user again.
  ///
  /// - Precondition: it is on the list.
  func removeOrphan(_ inode: Reference<Inode>) {
    let disk = disk(of: inode)
    var link = state.value.disks[disk].firstOrphan
    if link.reference == inode {
      state.value.disks[disk].firstOrphan = heap[inode].nextUnused
    }
    while let current = link.reference {
      link = heap[current].nextUnused
      if link.reference == inode { heap[current].nextUnused = heap[inode].nextUnused }
    }
    heap[inode].nextUnused = Link(nil)
  }

  /// Frees the inodes that have neither name nor user, or waits for who is about to.
  ///
  /// - Returns: whether there was one.
  /// - Throws: EIO. Context: may sleep; outside of `withAllocation`.
  ///
  /// Linux: `ext2_evict_inode()`.
  func reapOrphans(of disk: Int) throws(Errno) -> Bool {
    var found = false
    while let inode = takeOrphan(of: disk) {
      found = true
      heap[inode].references = 1
      state.value.disks[disk].reapingCount += 1
      defer {
        state.value.disks[disk].reapingCount -= 1
        environment.wake(Self.reapKey)
      }
      try reap(inode, disk)
    }
    if !found, state.value.disks[disk].reapingCount > 0 {
      environment.sleep(on: Self.reapKey)
      return true
    }
    return found
  }

  /// Takes one from the list that no area maps any more.
  private func takeOrphan(of disk: Int) -> Reference<Inode>? {
    var previous: Reference<Inode>?
    var link = state.value.disks[disk].firstOrphan
    while let inode = link.reference {
      link = heap[inode].nextUnused
      if let file = heap[inode].file.reference, heap[file].users > 1 {
        previous = inode
        continue
      }
      if let previous {
        heap[previous].nextUnused = link
      } else {
        state.value.disks[disk].firstOrphan = link
      }
      heap[inode].nextUnused = Link(nil)
      return inode
    }
    return nil
  }

  /// Of a damaged one the number stays taken.
  private func reap(_ inode: Reference<Inode>, _ disk: Int) throws(Errno) {
    defer {
      forgetDirt(of: inode)
      removeFromChain(inode)
      discard(inode)
    }
    if let file = heap[inode].file.reference {
      heap[inode].byteCount = 0
      heap[file].byteCount = 0
      spaces.removePages(of: file, from: 0, to: .max)
    }
    let seconds = UInt32(truncatingIfNeeded: currentTime.seconds)
    try withAllocation(of: disk) { () throws(Errno) in
      if heap[inode].hasBlocks { try freeBlocks(of: inode, from: 0) }
      try store(inode, deletedAt: seconds)
      try freeInode(UInt32(heap[inode].number), heap[inode].mode, of: disk)
    }
  }

  private static var reapKey: SleepKey { .object(0, channel: 0x6B) }
}
