// SPDX-License-Identifier: Apache-2.0

/// Sets what `mke2fs -d` takes from the moment and the user that ran it: every inode's times and
/// owner.
enum Ext2Inodes {
  /// Gives every used inode this time, and user and group 0.
  static func normalise(_ image: String, time: UInt64) throws(HostError) {
    let file = try HostFile(image, 2)
    let superblock = try file.bytes(at: 1024, count: 1024)
    guard superblock.count == 1024, superblock.number(at: 56, bytes: 2) == 0xEF53 else {
      throw HostError(22)
    }
    let blockBytes = UInt64(1024) << superblock.number(at: 24, bytes: 4)
    let inodesPerGroup = superblock.number(at: 40, bytes: 4)
    let inodeBytes = superblock.number(at: 88, bytes: 2)
    let groupCount = superblock.number(at: 0, bytes: 4) / inodesPerGroup
    let firstBlock = superblock.number(at: 20, bytes: 4)
    for group in 0..<groupCount {
      let place = (firstBlock + 1) * blockBytes + group * 32
      let descriptor = try file.bytes(at: place, count: 32)
      let table = descriptor.number(at: 8, bytes: 4) * blockBytes
      var inodes = try file.bytes(at: table, count: Int(inodesPerGroup * inodeBytes))
      for base in stride(from: 0, to: inodes.count, by: Int(inodeBytes)) {
        // Neither a mode nor a link: unused. The file system's own inodes keep what they have.
        guard inodes.number(at: base, bytes: 2) != 0 else { continue }
        // A regular file's own time was set before it came here.
        let isRegular = inodes.number(at: base, bytes: 2) & 0xF000 == 0x8000
        for field in isRegular ? [8, 12] : [8, 12, 16] {
          inodes.setNumber(time, at: base + field, bytes: 4)
        }
        for field in [2, 24, 120, 122] { inodes.setNumber(0, at: base + field, bytes: 2) }
      }
      try file.write(inodes, at: table)
    }
  }
}
