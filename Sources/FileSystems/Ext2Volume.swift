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
  var freeBlockCount: UInt32 = 0
  var freeInodeCount: UInt32 = 0
  private(set) var blocksPerGroup: UInt32 = 1
  /// Blocks that only the administrator may use. Linux: `s_r_blocks_count`.
  private(set) var reservedBlockCount: UInt32 = 0
  /// The first inode that files may have.
  private(set) var firstInode: UInt32 = 11
  /// Of these, what a driver must know to read, and to write.
  private(set) var compatibleFeatures: UInt32 = 0
  private(set) var writeFeatures: UInt32 = 0
  /// Entries of folders say of what kind a file is.
  private(set) var tellsKinds = false
  /// A task changes bitmaps or pointers: others wait.
  var isChanging = false
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
    blocksPerGroup = word(32)
    reservedBlockCount = word(8)
    if word(76) != 0 { firstInode = word(84) }
    compatibleFeatures = word(92)
    tellsKinds = word(96) & 2 != 0
    writeFeatures = word(100)
    inodesPerGroup = word(40)
    inodeByteCount = word(76) == 0 ? 128 : UInt32(half(88))
    identity = block.load(UInt64.self, at: start + 104)
    let isPowerOfTwo = inodeByteCount & (inodeByteCount &- 1) == 0
    guard inodesPerGroup > 0, inodeByteCount >= 128, inodeByteCount <= 4096, isPowerOfTwo,
      blockCount > 1, UInt64(blockCount) * 4096 <= diskByteCount
    else { throw .EINVAL }
    guard blocksPerGroup > 0 else { throw .EINVAL }
  }

  /// Checks what only a driver that writes relies on.
  ///
  /// - Throws: EINVAL of damage, EROFS of features that it does not know.
  func checkWritable() throws(Errno) {
    // Copies of superblocks in few groups, and large files; no journal.
    guard writeFeatures & ~0x3 == 0, compatibleFeatures & 0x4 == 0 else { throw .EROFS }
    let bitsOfBlock: UInt32 = 32768
    guard blocksPerGroup <= bitsOfBlock, inodesPerGroup <= bitsOfBlock,
      UInt64(groupCount) * UInt64(inodesPerGroup) == UInt64(inodeCount), firstInode >= 11,
      firstInode < inodeCount, reservedBlockCount <= blockCount,
      descriptorBlockCount < blocksPerGroup
    else { throw .EINVAL }
  }

  /// Groups of blocks, each with bitmaps and a table of inodes of its own.
  var groupCount: UInt32 { (blockCount - 1) / blocksPerGroup + 1 }

  /// Blocks that the descriptors of all groups take.
  var descriptorBlockCount: UInt32 { (groupCount - 1) / 128 + 1 }

  /// Blocks of a group's table of inodes.
  var tableBlockCount: UInt32 {
    UInt32((UInt64(inodesPerGroup) * UInt64(inodeByteCount) + 4095) / 4096)
  }

  /// Blocks that never hold files: superblock, descriptors, bitmaps and tables of inodes; of the
  /// copies of the first two, those of a sparse volume. Linux: `s_overhead_last`.
  var overheadCount: UInt32 {
    var count = groupCount * (2 + tableBlockCount)
    for group in 0..<groupCount where hasCopy(group) { count += 1 + descriptorBlockCount }
    return min(count, blockCount)
  }

  /// Linux: `ext2_group_sparse()`.
  private func hasCopy(_ group: UInt32) -> Bool {
    if group <= 1 || writeFeatures & 1 == 0 { return true }
    for base: UInt32 in 0..<3 {
      let factor = base * 2 + 3
      var power = factor
      while power < group { power *= factor }
      if power == group { return true }
    }
    return false
  }

  /// Blocks of a group: the last one may have fewer.
  func blockCount(ofGroup group: UInt32) -> UInt32 {
    min(blocksPerGroup, blockCount - group * blocksPerGroup)
  }

  /// Where a group is described: the block and the offset in it.
  func descriptor(ofGroup group: UInt32) -> (block: UInt32, offset: Int) {
    (1 + group / 128, Int(group % 128) * 32)
  }

  func contains(block: UInt32) -> Bool { block > 0 && block < blockCount }

  func contains(inode: UInt32) -> Bool { inode > 0 && inode <= inodeCount }

  /// Where an inode's group is described: the block and the offset in it.
  ///
  /// - Precondition: the inode is in the volume.
  func descriptor(ofInode number: UInt32) -> (block: UInt64, offset: Int) {
    let place = descriptor(ofGroup: (number - 1) / inodesPerGroup)
    return (UInt64(place.block), place.offset)
  }

  /// Where an inode lies in its group's table: the block from the table's start on and the
  /// offset in it.
  func place(ofInode number: UInt32) -> (block: UInt64, offset: Int) {
    let place = UInt64((number - 1) % inodesPerGroup) * UInt64(inodeByteCount)
    return (place / 4096, Int(place % 4096))
  }

  static var rootInode: UInt32 { 2 }
}

/// What is known of a group of blocks. Linux: `struct ext2_group_desc`.
struct Ext2Group: BitwiseCopyable {
  var blockBitmap: UInt32
  var inodeBitmap: UInt32
  var inodeTable: UInt32
  var freeBlockCount: UInt16
  var freeInodeCount: UInt16
  var folderCount: UInt16

  init(reading block: MemoryBlock, at offset: Int) {
    blockBitmap = block.load(UInt32.self, at: offset)
    inodeBitmap = block.load(UInt32.self, at: offset + 4)
    inodeTable = block.load(UInt32.self, at: offset + 8)
    freeBlockCount = block.load(UInt16.self, at: offset + 12)
    freeInodeCount = block.load(UInt16.self, at: offset + 14)
    folderCount = block.load(UInt16.self, at: offset + 16)
  }

  /// Writes the counts; where things lie never changes.
  func storeCounts(in block: MemoryBlock, at offset: Int) {
    block.store(freeBlockCount, at: offset + 12)
    block.store(freeInodeCount, at: offset + 14)
    block.store(folderCount, at: offset + 16)
  }
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
