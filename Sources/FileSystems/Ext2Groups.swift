// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageFrames

/// The groups of an ext2 volume, and what bitmaps say.
extension FileSystems {
  /// Runs a body that changes bitmaps, counts or pointers of a disk, one at a time.
  ///
  /// - Context: may sleep.
  func withAllocation<Result>(
    of disk: Int, _ body: () throws(Errno) -> Result
  ) throws(Errno) -> Result {
    let key = SleepKey.object(UInt32(disk), channel: 0x6A)
    while state.value.disks[disk].volume.isChanging { environment.sleep(on: key) }
    state.value.disks[disk].volume.isChanging = true
    defer {
      state.value.disks[disk].volume.isChanging = false
      environment.wake(key)
    }
    return try body()
  }

  /// Changes bytes of the volume itself, which are written some time later.
  ///
  /// - Throws: EIO, ENOMEM.
  /// - Context: may sleep before the body, which may not.
  func changeBlock<Result>(
    _ block: UInt32, of disk: Int, _ body: (MemoryBlock) -> Result
  ) throws(Errno) -> Result {
    let frame = try volumeBlock(block, of: disk)
    let result = body(bytes(of: frame))
    spaces.markDirty(frame, block: block)
    _ = frames.release(frame)
    return result
  }

  /// What is known of a group.
  ///
  /// - Throws: EIO where it leads out of the volume. Context: may sleep.
  func group(_ number: UInt32, of disk: Int) throws(Errno) -> Ext2Group {
    let volume = state.value.disks[disk].volume
    let place = volume.descriptor(ofGroup: number)
    let frame = try volumeBlock(place.block, of: disk)
    let group = Ext2Group(reading: bytes(of: frame), at: place.offset)
    _ = frames.release(frame)
    let tableEnd = UInt64(group.inodeTable) + UInt64(volume.tableBlockCount)
    guard volume.contains(block: group.blockBitmap), volume.contains(block: group.inodeBitmap),
      volume.contains(block: group.inodeTable), tableEnd <= UInt64(volume.blockCount)
    else { throw .EIO }
    return group
  }

  /// Changes the counts of a group.
  func changeGroup(
    _ number: UInt32, of disk: Int, _ body: (inout Ext2Group) -> Void
  ) throws(Errno) {
    let place = state.value.disks[disk].volume.descriptor(ofGroup: number)
    try changeBlock(place.block, of: disk) { bytes in
      var group = Ext2Group(reading: bytes, at: place.offset)
      body(&group)
      group.storeCounts(in: bytes, at: place.offset)
    }
  }

  /// Whether a block holds bitmaps, inodes or descriptors: none is ever a file's.
  ///
  /// Linux: `in_range()` of `ext2_new_blocks()`, "Allocating block in system zone".
  func isSystemBlock(_ block: UInt32, _ group: Ext2Group, of disk: Int) -> Bool {
    let volume = state.value.disks[disk].volume
    if block == group.blockBitmap || block == group.inodeBitmap { return true }
    if block <= volume.descriptorBlockCount { return true }
    return block >= group.inodeTable && block - group.inodeTable < volume.tableBlockCount
  }

  /// The first clear bit of a bitmap from a bit on.
  ///
  /// - Complexity: O(bits ÷ 64).
  static func firstClearBit(in bitmap: MemoryBlock, from start: UInt32, to end: UInt32) -> UInt32? {
    var bit = start
    while bit < end {
      let word = bitmap.load(UInt64.self, at: Int(bit >> 6) * 8)
      let clear = ~word & (UInt64.max << UInt64(bit & 63))
      if clear != 0 {
        let found = (bit & ~63) + UInt32(clear.trailingZeroBitCount)
        return found < end ? found : nil
      }
      bit = (bit & ~63) + 64
    }
    return nil
  }

  static func isSet(_ bit: UInt32, in bitmap: MemoryBlock) -> Bool {
    bitmap.load(UInt8.self, at: Int(bit >> 3)) >> UInt8(bit & 7) & 1 != 0
  }

  static func set(_ bit: UInt32, in bitmap: MemoryBlock) {
    let old = bitmap.load(UInt8.self, at: Int(bit >> 3))
    bitmap.store(old | 1 << UInt8(bit & 7), at: Int(bit >> 3))
  }

  static func clear(_ bit: UInt32, in bitmap: MemoryBlock) {
    let old = bitmap.load(UInt8.self, at: Int(bit >> 3))
    bitmap.store(old & ~(1 << UInt8(bit & 7)), at: Int(bit >> 3))
  }
}
