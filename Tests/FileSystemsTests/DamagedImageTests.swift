// SPDX-License-Identifier: Apache-2.0

import Foundation
import LinuxABI
import MemoryUnits
import Testing

@testable import FileSystems

/// Damaged disks: an error is the worst that may come of them.
@Suite struct DamagedImageTests {
  static func makeImage() throws -> [UInt8] {
    let image = try DiskImage()
    var random = SplitMix(state: 3)
    for path in ["a/b/c", "many"] { try image.makeFolder(path) }
    try image.write("a/b/c/file", random.bytes(40_000))
    try image.write("a/large", random.bytes(80 * 4096))
    for index in 0..<60 { try image.write("many/\(index)", [UInt8(index)]) }
    try image.link("short", to: "a/b/c/file")
    try image.link("long", to: String(repeating: "./", count: 100) + "a/large")
    return try image.pack(mebibytes: 2)
  }

  /// Where a driver looks: superblock, descriptors, inodes, folders, pointers.
  private func metadataBlocks(of image: [UInt8]) -> [Int] {
    var blocks: [Int] = [0, 1]
    for block in 0..<(image.count / 4096) {
      let bytes = image[block * 4096..<(block + 1) * 4096]
      if bytes.reduce(0, { $0 + ($1 == 0 ? 1 : 0) }) > 1500, bytes.contains(where: { $0 != 0 }) {
        blocks.append(block)
      }
    }
    return blocks
  }

  @Test(arguments: [1, 2, 3, 4]) func `random damage never traps`(seed: UInt64) throws {
    let whole = try Self.makeImage()
    let places = metadataBlocks(of: whole)
    var random = SplitMix(state: seed)
    for _ in 0..<25 {
      var disk = whole
      for _ in 0..<(1 + random.next() % 60) {
        let block = places[Int(random.next() % UInt64(places.count))]
        let offset = Int(random.next() % 4096)
        disk[block * 4096 + offset] = UInt8(truncatingIfNeeded: random.next())
      }
      explore(disk)
    }
  }

  @Test func `an inode table of noise never traps`() throws {
    let whole = try Self.makeImage()
    var random = SplitMix(state: 99)
    let table = Int(whole[4096 + 8]) | Int(whole[4096 + 9]) << 8
    for _ in 0..<25 {
      var disk = whole
      for block in table..<(table + 2) {
        for offset in 0..<4096 where random.next() % 8 == 0 {
          // The root stays a folder, or nothing else would be looked at.
          if block == table, offset / 128 < 3 { continue }
          disk[block * 4096 + offset] = UInt8(truncatingIfNeeded: random.next())
        }
      }
      explore(disk)
    }
  }

  /// Does what programs do; whatever is thrown is fine.
  private func explore(_ disk: [UInt8]) {
    try? TestFiles.run(disk: disk, frameCount: 2048) { test in
      try test.files.mountRoot()
      for path in ["/", "/a", "/a/b", "/a/b/c", "/many", "/lost+found"] {
        guard let entries = try? test.entries(path) else { continue }
        for entry in entries.prefix(80) {
          let child = path == "/" ? "/" + entry.name : path + "/" + entry.name
          if let inode = try? test.find(child) {
            _ = try? test.path(of: inode)
            _ = try? test.files.status(of: inode)
            test.files.release(inode)
          }
          _ = try? test.linkText(child)
          readSome(child, test)
        }
      }
      for path in ["/short", "/long", "/a/b/c/file"] { readSome(path, test) }
    }
  }

  private func readSome(_ path: String, _ test: TestFiles) {
    guard let file = try? test.open(path) else { return }
    defer { test.files.release(file) }
    for place in [0, 11 * 4096, 13 * 4096, 1040 * 4096, 1 << 40] {
      _ = try? test.files.seek(file, to: Int64(place), from: .start)
      _ = try? test.read(file, 9000)
    }
  }

  @Test func `a sector that cannot be read is an error, and is tried again`() throws {
    let disk = try Self.makeImage()
    try TestFiles.run(disk: disk) { test in
      try test.files.mountRoot()
      let before = test.host.pagesRead
      _ = try test.contents("/a/large")
      let page = test.host.pagesRead[before.count + 40]
      try TestFiles.run(disk: disk) { other in
        try other.files.mountRoot()
        other.host.badSectors = [page * 8]
        #expect(throws: Errno.EIO) { _ = try other.contents("/a/large", pieces: 4096) }
        other.host.badSectors = []
        #expect(try other.contents("/a/large") == test.contents("/a/large"))
      }
    }
  }

  @Test func `every frame and inode is given back`() throws {
    let disk = try Self.makeImage()
    try TestFiles.run(disk: disk) { test in
      try test.files.mountRoot()
      func visit() throws {
        for name in try test.entries("/many").map(\.name) where !name.hasPrefix(".") {
          _ = try test.contents("/many/" + name)
        }
        _ = try test.contents("/short")
        #expect(throws: Errno.ENOENT) { _ = try test.contents("/many/none") }
        #expect(throws: Errno.ENOTDIR) { _ = try test.contents("/short/none") }
      }
      try visit()
      _ = test.files.shrinkInodes(to: 0)
      #expect(test.environment.files.value.inodeCount == 1)
      let free = test.freePageCount
      try visit()
      _ = test.files.shrinkInodes(to: 0)
      #expect(test.environment.files.value.inodeCount == 1)
      // The disk's own blocks stay in the page cache, and slabs keep a little.
      #expect(abs(test.freePageCount - free) <= 2)
    }
  }
}
