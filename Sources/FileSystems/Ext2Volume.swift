// SPDX-License-Identifier: Apache-2.0

import LinuxABI
import Machine
import MemoryUnits

/// What the superblock of an ext2 file system says, checked once when it is mounted.
///
/// Blocks are pages: other block sizes are refused. Everything else that is read from the disk
/// later is checked against these limits, so that a damaged image gives EIO.
///
/// Linux: `struct ext2_super_block`, `fs/ext2/super.c`.
struct Ext2Volume: BitwiseCopyable {
  private(set) var inodeCount: UInt32 = 0
  private(set) var blockCount: UInt32 = 0
  private(set) var freeBlockCount: UInt32 = 0
  private(set) var freeInodeCount: UInt32 = 0
  private(set) var inodesPerGroup: UInt32 = 1
  private(set) var inodeByteCount: UInt32 = 128
  private(set) var identity: UInt64 = 0

  /// Nothing is mounted.
  init() {}

  /// Reads the superblock, which lies at byte 1,024 of the first block.
  ///
  /// - Throws: EINVAL where it is no ext2 that this driver reads.
  init(reading block: MemoryBlock, diskByteCount: UInt64) throws(Errno) {
    let start = 1024
    func word(_ offset: Int) -> UInt32 { block.load(UInt32.self, at: start + offset) }
    func half(_ offset: Int) -> UInt16 { block.load(UInt16.self, at: start + offset) }
    guard half(56) == 0xEF53 else { throw .EINVAL }
    guard word(20) == 0, word(24) == 2 else { throw .EINVAL }
    // Of the features that change what lies where only the kind byte in entries is known.
    guard word(96) & ~0x2 == 0 else { throw .EINVAL }
    inodeCount = word(0)
    blockCount = word(4)
    freeBlockCount = word(12)
    freeInodeCount = word(16)
    inodesPerGroup = word(40)
    inodeByteCount = word(76) == 0 ? 128 : UInt32(half(88))
    identity = block.load(UInt64.self, at: start + 104)
    let isPowerOfTwo = inodeByteCount & (inodeByteCount &- 1) == 0
    guard inodesPerGroup > 0, inodeByteCount >= 128, inodeByteCount <= 4096, isPowerOfTwo,
      blockCount > 1, UInt64(blockCount) * 4096 <= diskByteCount
    else { throw .EINVAL }
  }

  func contains(block: UInt32) -> Bool { block > 0 && block < blockCount }

  func contains(inode: UInt32) -> Bool { inode > 0 && inode <= inodeCount }

  /// Where an inode's group is described: the block and the offset in it.
  ///
  /// - Precondition: the inode is in the volume.
  func descriptor(ofInode number: UInt32) -> (block: UInt64, offset: Int) {
    let place = UInt64((number - 1) / inodesPerGroup) * 32
    return (1 + place / 4096, Int(place % 4096))
  }

  /// Where an inode lies in its group's table: the block from the table's start on and the
  /// offset in it.
  func place(ofInode number: UInt32) -> (block: UInt64, offset: Int) {
    let place = UInt64((number - 1) % inodesPerGroup) * UInt64(inodeByteCount)
    return (place / 4096, Int(place % 4096))
  }

  static var rootInode: UInt32 { 2 }
}

/// An inode as it lies on the disk. Linux: `struct ext2_inode`.
struct Ext2Inode: BitwiseCopyable {
  let mode: FileMode
  let user: UInt32
  let group: UInt32
  let byteCount: UInt64
  let accessed: UInt32
  let changed: UInt32
  let modified: UInt32
  let linkCount: UInt16
  let sectorCount: UInt32
  let flags: UInt32
  let attributesBlock: UInt32
  var blocks: InlineArray<15, UInt32> = InlineArray(repeating: 0)

  init(reading block: MemoryBlock, at offset: Int) {
    func word(_ place: Int) -> UInt32 { block.load(UInt32.self, at: offset + place) }
    func half(_ place: Int) -> UInt16 { block.load(UInt16.self, at: offset + place) }
    mode = FileMode(rawValue: half(0))
    user = UInt32(half(2)) | UInt32(half(120)) << 16
    group = UInt32(half(24)) | UInt32(half(122)) << 16
    byteCount = UInt64(word(4)) | (mode.isRegular ? UInt64(word(108)) << 32 : 0)
    accessed = word(8)
    changed = word(12)
    modified = word(16)
    linkCount = half(26)
    sectorCount = word(28)
    flags = word(32)
    attributesBlock = word(104)
    for index in 0..<15 { blocks[index] = word(40 + 4 * index) }
  }

  /// Whether a link's text lies in the inode, in place of block numbers.
  var isShortLink: Bool {
    mode.isLink && UInt64(sectorCount) == (attributesBlock == 0 ? 0 : 8) && byteCount < 60
  }

  /// The device that a device file stands for: the old form, or the new one behind it.
  var device: DeviceNumber {
    if blocks[0] != 0 {
      return DeviceNumber(major: blocks[0] >> 8 & 0xFF, minor: blocks[0] & 0xFF)
    }
    return DeviceNumber(encoded: UInt64(blocks[1]))
  }

  /// Extents, compression, encryption, inline data: what ext2 has not.
  var hasUnknownForm: Bool { flags & 0x1008_0804 != 0 }
}
