// SPDX-License-Identifier: Apache-2.0

/// How large an ext2 image must be for some content, with few blocks to spare.
struct DiskSize: Equatable {
  let blockCount: UInt64
  let inodeCount: UInt64

  private static var blockBytes: UInt64 { RootDisk.blockBytes }
  private static var inodeBytes: UInt64 { 128 }
  private static var blocksPerGroup: UInt64 { 32768 }
  /// Links shorter than this lie in the inode itself.
  private static var shortLinkBytes: Int { 60 }

  init(_ contents: RootContents) {
    var data: UInt64 = 0
    var folderBytes: [String: UInt64] = ["/": 24 + 20]
    for (path, entry) in contents.entries {
      switch entry {
      case .folder: folderBytes[path, default: 24] += 0
      case .file(let content): data += Self.blocks(ofFile: content.size)
      case .link(let target): data += target.utf8.count < Self.shortLinkBytes ? 0 : 1
      case .text(let text): data += Self.blocks(ofFile: UInt64(text.utf8.count))
      }
      let nameBytes = UInt64(path.utf8.count - (path.lastSlash + 1))
      folderBytes[HostFolder.folder(of: path) ?? "/", default: 24] += 8 + (nameBytes + 3) & ~3
    }
    // An entry never crosses a block, so a block may stay empty by almost a whole entry.
    for bytes in folderBytes.values { data += Self.blocks(ofFile: bytes + bytes / 14) }
    // lost+found
    data += 5
    // The first ten inodes are the file system's own.
    inodeCount = (UInt64(contents.entries.count) + 16 + 31) & ~31
    let tables = (inodeCount * Self.inodeBytes) / Self.blockBytes + 1
    var total = data + tables + 16
    for _ in 0..<3 {
      // Each group: two bitmaps, at most a copy of the superblock and of the descriptors, and its
      // part of the inode table rounded up.
      let groups = total / Self.blocksPerGroup + 1
      let descriptors = groups * 32 / Self.blockBytes + 1
      total = data + tables + 16 + groups * (2 + 1 + descriptors + 1)
    }
    blockCount = total
  }

  /// Data blocks and the indirect blocks that find them.
  static func blocks(ofFile bytes: UInt64) -> UInt64 {
    let pointers = blockBytes / 4
    let blocks = (bytes + blockBytes - 1) / blockBytes
    guard blocks > 12 else { return blocks }
    var rest = blocks - 12
    var indirect: UInt64 = 1
    rest -= min(rest, pointers)
    if rest > 0 {
      let double = min(rest, pointers * pointers)
      indirect += 1 + (double + pointers - 1) / pointers
      rest -= double
    }
    if rest > 0 {
      let leaves = (rest + pointers - 1) / pointers
      indirect += 1 + leaves + (leaves + pointers - 1) / pointers
    }
    return blocks + indirect
  }
}

extension String {
  /// The place of the last slash, counted in bytes.
  fileprivate var lastSlash: Int {
    var place = -1
    for (index, byte) in utf8.enumerated() where byte == UInt8(ascii: "/") { place = index }
    return place
  }
}
