// SPDX-License-Identifier: Apache-2.0

import LinuxABI
import Testing

@testable import FileSystems

/// Disks whose folders are no tree: one has an entry that leads to a folder that is elsewhere.
@Suite struct FolderCircleTests {
  /// Folders /a/b/c and /x/y, /a/b/file, and what the entry of a name is made to lead to.
  private static func makeImage(leading targets: [(name: String, to: String?)]) throws -> [UInt8] {
    let image = try DiskImage()
    for path in ["a/b/ccc", "x/yyy"] { try image.makeFolder(path) }
    try image.write("a/b/file", [7])
    var disk = try image.pack(mebibytes: 2)
    var numbers: [String: [UInt8]] = [:]
    for name in ["a", "b", "ccc", "x", "yyy"] { numbers[name] = number(of: name, in: disk) }
    for (name, target) in targets {
      let place = try #require(entry(of: name, in: disk))
      disk.replaceSubrange(place..<place + 4, with: target.flatMap { numbers[$0] } ?? [2, 0, 0, 0])
    }
    return disk
  }

  /// Where a folder's entry is on the disk: number, byte count, the name's length, kind, name.
  private static func entry(of name: String, in disk: [UInt8]) -> Int? {
    let bytes = [UInt8(name.utf8.count), 2] + Array(name.utf8)
    return stride(from: 0, to: disk.count - 16, by: 4).first { place in
      disk[place + 6..<place + 6 + bytes.count].elementsEqual(bytes)
        && disk[place + 2] == 0 && disk[place + 3] == 0 && disk[place + 4] >= 12
        && disk[place + 5] < 16
    }
  }

  private static func number(of name: String, in disk: [UInt8]) -> [UInt8]? {
    entry(of: name, in: disk).map { Array(disk[$0..<$0 + 4]) }
  }

  @Test(arguments: [nil, "a", "b"]) func `a folder above is not found below`(
    target: String?
  ) throws {
    let disk = try Self.makeImage(leading: [("ccc", target)])
    try TestFiles.run(disk: disk) { test in
      try test.files.mountRoot()
      #expect(throws: Errno.ELOOP) { _ = try test.find("/a/b/ccc") }
      #expect(throws: Errno.ELOOP) { _ = try test.find("/a/b/ccc/a/b/ccc") }
      #expect(try test.contents("/a/b/file") == [7])
    }
  }

  @Test func `folders above stay known while a folder is held`() throws {
    let disk = try Self.makeImage(leading: [("ccc", "a")])
    try TestFiles.run(disk: disk) { test in
      try test.files.mountRoot()
      let held = try test.find("/a/b")
      _ = test.files.shrinkInodes(to: 0)
      #expect(throws: Errno.ELOOP) { _ = try test.find("/a/b/ccc") }
      #expect(try test.path(of: held) == "/a/b")
      test.files.release(held)
    }
  }

  @Test func `a folder with two names is where it was found last`() throws {
    let disk = try Self.makeImage(leading: [("yyy", "b"), ("ccc", "x")])
    try TestFiles.run(disk: disk) { test in
      try test.files.mountRoot()
      let folder = try test.find("/a/b")
      defer { test.files.release(folder) }
      #expect(try test.path(of: folder) == "/a/b")
      let other = try test.find("/x/yyy")
      defer { test.files.release(other) }
      #expect(other == folder)
      #expect(try test.path(of: folder) == "/x/yyy")
      #expect(throws: Errno.ELOOP) { _ = try test.find("/x/yyy/ccc") }
      let below = try test.find("/a/b/ccc")
      defer { test.files.release(below) }
      #expect(try test.path(of: below) == "/a/b/ccc")
      #expect(throws: Errno.ELOOP) { _ = try test.find("/a/b/ccc/yyy") }
    }
  }

  @Test func `what is above a folder is where it was found, whatever the disk says`() throws {
    let image = try DiskImage()
    try image.makeFolder("a/b")
    var disk = try image.pack(mebibytes: 2)
    let own = try #require(Self.number(of: "b", in: disk))
    for place in stride(from: 0, to: disk.count - 24, by: 4096)
    where disk[place..<place + 4].elementsEqual(own) && disk[place + 6] == 1 {
      disk.replaceSubrange(place + 12..<place + 16, with: own)
    }
    try TestFiles.run(disk: disk) { test in
      try test.files.mountRoot()
      let above = try test.find("/a/b/..")
      #expect(try test.path(of: above) == "/a")
      test.files.release(above)
    }
  }

  @Test(arguments: [UInt8(0), 0x2F]) func `a name that is empty or has a slash is not listed`(
    damage: UInt8
  ) throws {
    let image = try DiskImage()
    try image.write("good", [1])
    try image.write("word", [2])
    var disk = try image.pack(mebibytes: 2)
    for place in stride(from: 0, to: disk.count - 16, by: 4)
    where disk[place + 6..<place + 12].elementsEqual([4, 1] + Array("word".utf8)) {
      if damage == 0 { disk[place + 6] = 0 } else { disk[place + 9] = damage }
    }
    try TestFiles.run(disk: disk) { test in
      try test.files.mountRoot()
      #expect(throws: Errno.EIO) { _ = try test.entries("/") }
      #expect(try test.contents("/good") == [1])
    }
  }

  @Test func `what held the folders above is given back`() throws {
    let disk = try Self.makeImage(leading: [("yyy", "b"), ("ccc", "x")])
    try TestFiles.run(disk: disk) { test in
      try test.files.mountRoot()
      for path in ["/a/b/file", "/x/yyy/file", "/a/b/ccc", "/a/b"] {
        test.files.release(try test.find(path))
      }
      _ = test.files.shrinkInodes(to: 0)
      #expect(test.environment.files.value.inodeCount == 1)
    }
  }

  @Test func `a folder that was removed still leads to the one above`() throws {
    let scratch = try ScratchDisk.make(mebibytes: 4)
    let left = try TestFiles.runScratch(scratch) { test in
      for path in ["a", "a/b"] { try test.makeFolder(path) }
      let held = try test.find(test.name("a/b"))
      try test.removeFolder("a/b")
      let above = try test.files.folderAbove(held)
      #expect(try test.path(of: above) == test.name("a"))
      test.files.release(above)
      try test.removeFolder("a")
      #expect(throws: Errno.ENOENT) { _ = try test.path(of: held) }
      test.files.release(held)
    }
    #expect(try ScratchDisk.complaints(about: left) == "")
  }
}
