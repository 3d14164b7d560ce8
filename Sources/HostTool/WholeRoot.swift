// SPDX-License-Identifier: Apache-2.0

import CHostSystem
import Glibc

/// The root disk that a user gives whole: a folder, an archive, or an ext2 image. Nothing is
/// packed from the host then.
struct WholeRoot {
  let disk: RootDisk
  /// What is on it, where it was a folder.
  let contents: RootContents?

  init(_ named: String, cache: CacheFolder) throws(ToolFailure) {
    let path = HostFolder.absolute(named, from: HostFolder.current)
    let remedy = "give a folder, an archive or an ext2 image"
    let facts: FileFacts
    do throws(HostError) { facts = try FileFacts(path) } catch {
      throw ToolFailure(.usage, "--root \(named): \(error.text)", remedy)
    }
    switch facts.kind {
    case .folder:
      let contents = try Self.contents(of: path, named: named)
      self.contents = contents
      disk = try RootDisk(contents, cache: cache)
    case .regular:
      contents = nil
      disk =
        try Self.isImage(path, named: named)
        ? try RootDisk(image: path, cache: cache)
        : try Self.unpacked(path, named: named, cache: cache)
    case .link, .other:
      throw ToolFailure(.usage, "--root \(named) is neither a folder nor a file", remedy)
    }
  }

  private static func contents(
    of path: String, named: String
  ) throws(ToolFailure) -> RootContents {
    var contents = RootContents()
    do throws(HostError) {
      try contents.pack(path, as: "/")
    } catch {
      let what = error.number == 27 ? "it holds more than 8 GiB or a million files" : error.text
      throw ToolFailure(.failed, "--root \(named): \(what)", "give another folder")
    }
    contents.keepTimes(below: "/")
    FixedFiles.addFolders(to: &contents)
    return contents
  }

  /// Whether a file is an ext2 image that the machine can use.
  ///
  /// - Throws: for one of another kind or block size, with how to make it one.
  private static func isImage(_ path: String, named: String) throws(ToolFailure) -> Bool {
    let block = try attempting("--root \(named)", "make it readable") { () throws(HostError) in
      try HostFile(reading: path).bytes(at: 1024, count: 1024)
    }
    guard block.count == 1024, block.number(at: 56, bytes: 2) == 0xEF53 else { return false }
    let remedy = "make it with mke2fs -t ext2 -b 4096, or give its folder"
    let blockBytes = UInt64(1024) << min(block.number(at: 24, bytes: 4), 20)
    guard blockBytes == RootDisk.blockBytes else {
      throw ToolFailure(
        .failed, "--root \(named) has blocks of \(blockBytes) bytes, and 4096 are wanted", remedy)
    }
    // Of what a reader must know: names with types only. The rest is ext3's and ext4's.
    guard block.number(at: 96, bytes: 4) & ~0x2 == 0 else {
      throw ToolFailure(.failed, "--root \(named) is an image of ext3 or ext4", remedy)
    }
    return true
  }

  /// The disk for an archive, which is unpacked once for each state of its file.
  private static func unpacked(
    _ path: String, named: String, cache: CacheFolder
  ) throws(ToolFailure) -> RootDisk {
    let maker = try RootDisk.maker()
    let (archive, state) = try attempting("--root \(named)", "make it readable") {
      () throws(HostError) in
      var archive = RootContents()
      try archive.pack(path, as: "/archive")
      return (archive, try ContentState(archive, maker: maker))
    }
    let key = try cache.remembered(state) { () throws(ToolFailure) in
      try RootDisk.key(of: archive, maker: maker)
    }
    return try RootDisk(key: key, cache: cache) { (folder) throws(ToolFailure) in
      let tree = "\(folder)/tree"
      try attempting(tree, "free space in the cache folder") { () throws(HostError) in
        try HostFolder.make(tree)
      }
      try extract(path, named: named, to: tree)
      let contents = try contents(of: tree, named: named)
      try RootDisk.make(contents, in: folder, maker: maker)
      try attempting(tree, "free space in the cache folder") { () throws(HostError) in
        try HostFolder.remove(tree)
      }
    }
  }

  private static func extract(
    _ path: String, named: String, to tree: String
  ) throws(ToolFailure) {
    // Devices are the machine's own, and only root could make them here.
    var command = [
      "tar", "-x", "-f", path, "-C", tree, "--no-same-owner", "--delay-directory-restore",
      "--exclude=./dev/*", "--exclude=dev/*",
    ]
    // What its owner may not read could not be packed or removed again.
    if geteuid() != 0 { command.append("--mode=u+rwX") }
    let result = try ChildProcess.run(
      "/bin/tar", command, environment: ["PATH=/usr/bin:/bin", "LC_ALL=C"])
    guard result.status == 0 else {
      throw ToolFailure(
        .failed, "--root \(named): \(result.text.prefix(200))",
        "give a folder, an archive or an ext2 image")
    }
  }

  /// The program's path on the disk.
  ///
  /// - Parameters:
  ///   - folders: of the program's PATH.
  ///   - current: the folder that a relative path begins in.
  /// - Throws: 127 where it is not there.
  func program(
    _ name: String, folders: [String], current: String
  ) throws(ToolFailure) -> String {
    if name.contains("/") {
      // The kernel says why one that is there cannot run.
      return HostFolder.absolute(name, from: current)
    }
    for folder in folders {
      let path = HostFolder.absolute(name, from: folder)
      if try isFile(path) { return path }
    }
    throw ToolFailure(
      .notFound, "\(name) is not in any folder of PATH on the root disk", "give its path")
  }

  private func isFile(_ path: String) throws(ToolFailure) -> Bool {
    if let contents {
      guard let entry = contents.target(of: path) else { return false }
      if case .file(let file) = entry { return file.permissions & 0o111 != 0 }
      return false
    }
    let inspector = try RootDisk.tool("debugfs")
    let result = try ChildProcess.run(
      inspector, ["debugfs", "-R", "stat \"\(path)\"", disk.image], environment: ["LC_ALL=C"])
    return result.text.contains("Type: regular") || result.text.contains("Type: symlink")
  }
}
