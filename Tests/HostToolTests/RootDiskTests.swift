// SPDX-License-Identifier: Apache-2.0

import Glibc
import Testing

@testable import HostTool

struct RootDiskTests {
  /// Some files of all kinds, below a folder of the host.
  private static func fill(_ folder: String, sparse: Bool) throws {
    try HostFolder.make("\(folder)/deep/er")
    try HostFile.write(Array("hello\n".utf8), to: "\(folder)/deep/er/small")
    var large = [UInt8](repeating: 0, count: 5 << 20)
    for place in stride(from: 0, to: large.count, by: 4096 * 3) { large[place] = 7 }
    if sparse {
      let file = try HostFile(creating: "\(folder)/large")
      for place in stride(from: 0, to: large.count, by: 4096 * 3) {
        try file.write([7], at: UInt64(place))
      }
      ftruncate(file.descriptor, off_t(large.count))
    } else {
      try HostFile.write(large, to: "\(folder)/large")
    }
    symlink("deep/er", "\(folder)/link")
    symlink(String(repeating: "x", count: 100), "\(folder)/long-link")
    chmod("\(folder)/deep/er/small", 0o4711)
    chmod("\(folder)/deep", 0o555)
    for index in 0..<300 { try HostFile.write([], to: "\(folder)/a-name-to-fill-blocks-\(index)") }
  }

  private static func contents(of folder: String) throws -> RootContents {
    var contents = RootContents()
    try contents.pack(folder, as: "/data")
    FixedFiles.add(to: &contents)
    return contents
  }

  @Test func `the same content gives the same image, byte for byte`() throws {
    let (one, two) = (try TemporaryFolder(), try TemporaryFolder())
    defer {
      chmod("\(one.path)/files/deep", 0o755)
      chmod("\(two.path)/files/deep", 0o755)
    }
    try HostFolder.make("\(one.path)/files")
    try HostFolder.make("\(two.path)/files")
    try Self.fill("\(one.path)/files", sparse: false)
    try Self.fill("\(two.path)/files", sparse: true)
    var times = [timeval(tv_sec: 1000, tv_usec: 0), timeval(tv_sec: 2000, tv_usec: 0)]
    utimes("\(two.path)/files/large", &times)
    let first = try RootDisk(
      Self.contents(of: "\(one.path)/files"), cache: CacheFolder(path: "\(one.path)/cache"))
    let second = try RootDisk(
      Self.contents(of: "\(two.path)/files"), cache: CacheFolder(path: "\(two.path)/cache"))
    #expect(first.digest == second.digest)
    #expect(try ContentDigest.ofFile(first.image) == first.digest)
    #expect(try ContentDigest.ofFile(second.image) == first.digest)
    #expect(try HostFolder.names(in: "\(one.path)/cache/making") == [])

    let check = try ChildProcess.run(
      "/usr/sbin/e2fsck", ["e2fsck", "-fn", first.image], environment: [])
    #expect(check.status == 0, "\(check.text)")
    for (command, words) in [
      ("stat /data/deep/er/small", ["Mode:  04711", "User:     0", "Size: 6", "0x67748580"]),
      ("stat /data/link", ["Fast link dest: \"deep/er\""]),
      ("stat /data/deep", ["Mode:  0555"]), ("stat /tmp", ["Mode:  01777"]),
    ] {
      let result = try ChildProcess.run(
        "/usr/sbin/debugfs", ["debugfs", "-R", command, first.image], environment: [])
      for word in words { #expect(result.text.contains(word), "\(command): \(result.text)") }
    }
    let copy = "\(one.path)/copy"
    _ = try ChildProcess.run(
      "/usr/sbin/debugfs", ["debugfs", "-R", "dump /data/large \(copy)", first.image],
      environment: [])
    #expect(
      try ContentDigest.ofFile(copy) == ContentDigest.ofFile("\(one.path)/files/large"))
  }

  @Test func `an image is found again, and made again after clean`() throws {
    let folder = try TemporaryFolder()
    let cache = CacheFolder(path: "\(folder.path)/cache")
    var contents = RootContents()
    FixedFiles.add(to: &contents)
    let image = try RootDisk(contents, cache: cache).image
    let before = try FileFacts(image).inode
    #expect(try FileFacts(RootDisk(contents, cache: cache).image).inode == before)
    contents.addText("/more", "more")
    #expect(try RootDisk(contents, cache: cache).image != image)
    #expect(try cache.clean() == 2)
    #expect(try RootDisk(contents, cache: cache).image != image)
  }

  @Test func `what a killed run left behind is removed`() throws {
    let folder = try TemporaryFolder()
    let cache = CacheFolder(path: "\(folder.path)/cache")
    try HostFolder.make("\(cache.path)/making/123/stage")
    try HostFile.write([], to: "\(cache.path)/making/123/stage/file")
    try HostFile.write([], to: "\(cache.path)/making/123.lock")
    _ = try cache.clean()
    #expect(try HostFolder.names(in: "\(cache.path)/making") == [])
  }

  @Test func `links on the way to a program are packed with what they lead to`() throws {
    let folder = try TemporaryFolder()
    try HostFolder.make("\(folder.path)/real/bin")
    try HostFile.write([1], to: "\(folder.path)/real/bin/program")
    symlink("real", "\(folder.path)/alias")
    symlink("../bin/./program", "\(folder.path)/real/bin/other")
    var contents = RootContents()
    let resolved = try contents.pack("\(folder.path)/alias/bin/other")
    #expect(resolved == "\(folder.path)/real/bin/program")
    #expect(contents.entries["\(folder.path)/alias"] == .link(target: "real"))
    #expect(contents.entries["\(folder.path)/real/bin/other"] == .link(target: "../bin/./program"))
    #expect(contents.hasFolder("\(folder.path)/real/bin"))
    for path in contents.paths {
      #expect(contents.hasFolder(HostFolder.folder(of: path) ?? "/"), "\(path)")
    }
  }

  @Test func `a folder is found through links, and a missing one is not made`() {
    var contents = RootContents()
    FixedFiles.add(to: &contents)
    for path in ["/", "/tmp", "/var/scratch", "/proc/1"] {
      #expect(contents.leadsToFolder(path), "\(path)")
    }
    for path in ["/nowhere", "/tmp/nowhere", "/etc/passwd", "/etc/passwd/x"] {
      #expect(!contents.leadsToFolder(path), "\(path)")
    }
  }

  @Test func `links that go round are refused`() throws {
    let folder = try TemporaryFolder()
    symlink("b", "\(folder.path)/a")
    symlink("a", "\(folder.path)/b")
    var contents = RootContents()
    #expect(throws: HostError(ELOOP)) { try contents.pack("\(folder.path)/a") }
  }

  @Test func `a file goes through a packed link to its place`() throws {
    let folder = try TemporaryFolder()
    symlink("real", "\(folder.path)/alias")
    try HostFolder.make("\(folder.path)/real")
    try HostFile.write([1], to: "\(folder.path)/file")
    var contents = RootContents()
    try contents.pack("\(folder.path)/alias")
    try contents.pack("\(folder.path)/file", as: "\(folder.path)/alias/copy")
    #expect(contents.entries["\(folder.path)/alias/copy"] == nil)
    #expect(contents.entries["\(folder.path)/real/copy"] != nil)
  }

  @Test(
    arguments: [
      (0, 0), (1, 1), (12, 12), (13, 14), (1036, 1037), (1037, 1040), (1_049_612, 1_050_638),
    ] as [(UInt64, UInt64)])
  func `a file's blocks include those that find them`(data: UInt64, blocks: UInt64) {
    #expect(DiskSize.blocks(ofFile: data * 4096) == blocks)
    if data > 0 { #expect(DiskSize.blocks(ofFile: data * 4096 - 4095) == blocks) }
  }

  @Test(arguments: [
    ("/a/b/../c", "/a/c"), ("a", "/w/a"), ("./a//b/", "/w/a/b"), ("../..", "/"), ("/", "/"),
  ])
  func `paths become absolute`(path: String, absolute: String) {
    #expect(HostFolder.absolute(path, from: "/w") == absolute)
  }
}
