// SPDX-License-Identifier: Apache-2.0

import Foundation
import LinuxABI
import MemoryUnits
import MemoryEvents
import Testing

@testable import FileSystems

/// The root disk, against images that mke2fs makes and the host's own view of them.
@Suite struct Ext2Tests {
  /// A tree with whatever a root disk may hold.
  static func makeTree() throws -> DiskImage {
    let image = try DiskImage()
    var random = SplitMix(state: 7)
    for path in ["bin", "lib/deep/er", "many", "empty"] { try image.makeFolder(path) }
    try image.write("bin/small", [1, 2, 3])
    try image.write("bin/nothing", [])
    try image.write("lib/page", random.bytes(4096))
    try image.write("lib/deep/direct", random.bytes(12 * 4096))
    try image.write("lib/deep/er/indirect", random.bytes(13 * 4096 + 5))
    try image.write("lib/big", random.bytes(5 << 20))
    for index in 0..<600 { try image.write("many/file number \(index)", [UInt8(index & 255)]) }
    try image.write("many/" + String(repeating: "n", count: 255), [9])
    try image.link("short", to: "bin/small")
    try image.link("lib/up", to: "../bin/small")
    try image.link("absolute", to: "/lib/deep")
    try image.link("long", to: String(repeating: "./", count: 200) + "bin/small")
    try image.link("loop", to: "pool")
    try image.link("pool", to: "loop")
    try image.link("nowhere", to: "not/there")
    try image.writeSparse(
      "sparse", byteCount: (12 + 1024 + 1024 * 1024 + 5) * 4096,
      [(0, [1]), (20 * 4096, [2]), ((12 + 1024 + 3000) * 4096, [3]),
        ((12 + 1024 + 1024 * 1024 + 1) * 4096, [4])])
    return image
  }

  @Test func `every file, link and folder is what the host sees`() throws {
    let image = try Self.makeTree()
    try TestFiles.run(disk: try image.pack()) { test in
      try test.files.mountRoot()
      let paths = try FileManager.default.subpathsOfDirectory(atPath: image.folder.path)
      #expect(paths.count > 620)
      for path in paths where path != "sparse" {
        try compare(path, image, test)
      }
      #expect(test.environment.host.largestPageFlight >= 32)
    }
  }

  private func compare(_ path: String, _ image: DiskImage, _ test: TestFiles) throws {
    let url = image.folder.appendingPathComponent(path)
    let inode = try test.find("/" + path)
    defer { test.files.release(inode) }
    let status = try test.files.status(of: inode)
    let attributes = try FileManager.default.attributesOfItem(atPath: url.path)
    if path != "dev", path != "proc" {
      #expect(status.mode & 0o7777 == (attributes[.posixPermissions] as? UInt32))
    }
    switch attributes[.type] as? FileAttributeType {
    case .typeDirectory?:
      guard path != "dev", path != "proc" else { return }
      let names = try test.entries("/" + path).map(\.name).filter { $0 != "." && $0 != ".." }
      let expected = try FileManager.default.contentsOfDirectory(atPath: url.path)
      #expect(names.sorted() == expected.sorted())
      #expect(try test.path(of: inode) == "/" + path)
    case .typeSymbolicLink?:
      let target = try FileManager.default.destinationOfSymbolicLink(atPath: url.path)
      #expect(try test.linkText("/" + path) == target)
      #expect(status.byteCount == Int64(target.utf8.count))
    default:
      #expect(try test.contents("/" + path) == [UInt8](Data(contentsOf: url)), "\(path)")
      #expect(status.byteCount == (attributes[.size] as? Int64))
      #expect(try test.path(of: inode) == "/" + path)
    }
  }

  @Test func `holes of every depth are zeros`() throws {
    let image = try Self.makeTree()
    try TestFiles.run(disk: try image.pack()) { test in
      try test.files.mountRoot()
      let file = try test.open("/sparse")
      let places: [(UInt64, UInt8)] = [
        (0, 1), (20, 2), (12 + 1024 + 3000, 3), (12 + 1024 + 1024 * 1024 + 1, 4), (1, 0),
        (12 + 1024 + 2999, 0), (500_000, 0), (12 + 1024 + 1024 * 1024 + 4, 0),
      ]
      for (page, value) in places {
        _ = try test.files.seek(file, to: Int64(page * 4096), from: .start)
        #expect(try test.read(file, 4) == [value, 0, 0, 0])
      }
      test.files.release(file)
    }
  }

  @Test func `reads of any piece at any place agree`() throws {
    let image = try Self.makeTree()
    let expected = [UInt8](try Data(contentsOf: image.folder.appendingPathComponent("lib/big")))
    try TestFiles.run(disk: try image.pack(), frameCount: 1024) { test in
      try test.files.mountRoot()
      let file = try test.open("/lib/big")
      var random = SplitMix(state: 11)
      for _ in 0..<300 {
        let place = Int(random.next() % UInt64(expected.count + 100))
        let count = Int(random.next() % 20_000)
        _ = try test.files.seek(file, to: Int64(place), from: .start)
        let end = min(expected.count, place + count)
        #expect(
          try test.read(file, count) == (place < end ? Array(expected[place..<end]) : []))
      }
      #expect(try test.contents("/lib/big", pieces: 1000) == expected)
      test.files.release(file)
    }
  }

  @Test func `paths are refused as on Linux`() throws {
    let image = try Self.makeTree()
    try TestFiles.run(disk: try image.pack()) { test in
      try test.files.mountRoot()
      let cases: [(String, Errno)] = [
        ("", .ENOENT), ("/nothing", .ENOENT), ("/bin/small/x", .ENOTDIR),
        ("/bin/small/", .ENOTDIR), ("/loop", .ELOOP), ("/nowhere", .ENOENT),
        ("/" + String(repeating: "x", count: 256), .ENAMETOOLONG),
        ("/short/", .ENOTDIR), ("/many/" + String(repeating: "n", count: 254), .ENOENT),
      ]
      for (path, expected) in cases {
        #expect(throws: expected, "\(path)") { _ = try test.find(path, .followed) }
      }
      for path in [
        "/", "//", "/.", "/..", "/../..", "/absolute/", "/absolute/er", "/bin/../bin/./small",
        "/long", "/lib/up", "bin", "lib/../absolute/../../bin",
      ] {
        test.files.release(try test.find(path, .followed))
      }
      #expect(throws: Errno.ELOOP) { _ = try test.open("/short", .noFollow) }
      #expect(throws: Errno.EISDIR) { _ = try test.open("/bin", .readWrite) }
      #expect(throws: Errno.ENOTDIR) { _ = try test.open("/bin/small", .folder) }
      #expect(throws: Errno.EROFS) { _ = try test.open("/bin/small", .writeOnly) }
      #expect(throws: Errno.EROFS) { _ = try test.open("/new", .create.union(.writeOnly)) }
      #expect(throws: Errno.EEXIST) {
        _ = try test.open("/short", .create.union(.exclusive))
      }
      #expect(throws: Errno.ENOENT) { _ = try test.open("/no/new", .create) }
    }
  }

  @Test func `a path that is not there is told once, as it was asked for`() throws {
    let image = try Self.makeTree()
    try TestFiles.run(disk: try image.pack()) { test in
      try test.files.mountRoot()
      for path in ["/nothing", "/bin/none", "/nothing", "/absolute/none", "/bin/small"] {
        _ = try? test.find(path, .followed)
      }
      let channel = test.environment.machine.channel
      let count = Int(channel.loadShared(at: ChannelLayout.missingPathsOffset))
      let bytes = (0..<count).map {
        channel.load(UInt8.self, at: ChannelLayout.missingPathTextOffset + $0)
      }
      let paths = bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
      #expect(paths == ["/nothing", "/bin/none", "/absolute/none"])
      for index in 0..<3000 { _ = try? test.find("/none/of/these/\(index)", .followed) }
      #expect(
        channel.loadShared(at: ChannelLayout.missingPathsOffset)
          <= UInt64(ChannelLayout.missingPathTextBytes))
    }
  }

  @Test func `another user is held to the mode`() throws {
    let image = try DiskImage()
    try image.makeFolder("closed")
    try image.write("closed/file", [1])
    try image.write("secret", [1])
    try FileManager.default.setAttributes(
      [.posixPermissions: 0o700], ofItemAtPath: image.folder.appendingPathComponent("closed").path)
    try FileManager.default.setAttributes(
      [.posixPermissions: 0o600], ofItemAtPath: image.folder.appendingPathComponent("secret").path)
    try TestFiles.run(disk: try image.pack()) { test in
      try test.files.mountRoot()
      let nobody = Credentials(user: 65534, group: 65534)
      #expect(throws: Errno.EACCES) {
        _ = try test.open("/closed/file", OpenFlags(rawValue: 0), as: nobody)
      }
      #expect(throws: Errno.EACCES) {
        _ = try test.open("/secret", OpenFlags(rawValue: 0), as: nobody)
      }
      test.files.release(try test.open("/secret"))
    }
  }

  @Test func `a folder is listed in pieces, and a seek goes on where it was`() throws {
    let image = try Self.makeTree()
    try TestFiles.run(disk: try image.pack()) { test in
      try test.files.mountRoot()
      let all = try test.entries("/many").map(\.name)
      #expect(try test.entries("/many", room: 300).map(\.name) == all)
      #expect(throws: Errno.EINVAL) { _ = try test.entries("/many", room: 20) }
      #expect(try test.entries("/dev", room: 64).map(\.name) == test.entries("/dev").map(\.name))
    }
  }

  @Test func `nothing is read twice while there is room`() throws {
    let image = try Self.makeTree()
    try TestFiles.run(disk: try image.pack()) { test in
      try test.files.mountRoot()
      for _ in 0..<2 {
        for path in ["/lib/big", "/lib/deep/er/indirect", "/many/file number 5", "/long"] {
          _ = try test.contents(path)
        }
      }
      let pages = test.host.pagesRead
      #expect(Set(pages).count == pages.count)
    }
  }

  @Test func `other images are refused`() throws {
    let image = try DiskImage()
    try TestFiles.run(disk: try image.pack(blockSize: 1024)) { test in
      #expect(throws: Errno.EINVAL) { try test.files.mountRoot() }
    }
    try TestFiles.run(disk: try image.pack(type: "ext4")) { test in
      #expect(throws: Errno.EINVAL) { try test.files.mountRoot() }
    }
    try TestFiles.run(disk: [UInt8](repeating: 0, count: 1 << 20)) { test in
      #expect(throws: Errno.EINVAL) { try test.files.mountRoot() }
    }
    try TestFiles.run(disk: []) { test in
      #expect(throws: Errno.ENXIO) { try test.files.mountRoot() }
    }
    let whole = try image.pack()
    try TestFiles.run(disk: Array(whole[..<(whole.count / 2)])) { test in
      #expect(throws: Errno.EINVAL) { try test.files.mountRoot() }
    }
  }
}
