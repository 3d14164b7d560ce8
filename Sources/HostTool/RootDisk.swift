// SPDX-License-Identifier: Apache-2.0

import CHostSystem
import Glibc

/// The image of the root disk: ext2, read-only, byte for byte the same for the same content.
public struct RootDisk: Sendable {
  /// Where the image is on the host.
  public var image: String
  /// SHA-256 of the image.
  public var digest: String

  /// The time of all on the disk but the files of packages and prefixes, which keep their own:
  /// 2025-01-01 00:00:00 UTC.
  static var epoch: UInt64 { 1_735_689_600 }
  static var blockBytes: UInt64 { 4096 }

  /// An image that is there.
  init(image: String, digest: String) {
    self.image = image
    self.digest = digest
  }

  /// Finds the image for some content in the cache, or makes it.
  init(_ contents: RootContents, cache: CacheFolder) throws(ToolFailure) {
    let maker = try Self.maker()
    let state = try attempting(maker, "make it readable") { () throws(HostError) in
      try ContentState(contents, maker: maker)
    }
    let key = try cache.remembered(state) { () throws(ToolFailure) in
      try Self.key(of: contents, maker: maker)
    }
    try self.init(key: key, cache: cache) { (folder) throws(ToolFailure) in
      try Self.make(contents, in: folder, maker: maker)
    }
  }

  /// Finds an image in the cache, or makes it in a folder.
  init(
    key: String, cache: CacheFolder, make: (_ folder: String) throws(ToolFailure) -> Void
  ) throws(ToolFailure) {
    let entry = try cache.entry(key, make: make)
    image = "\(entry)/disk.img"
    digest = try Self.digest(of: entry)
  }

  /// Takes an image that there is; it is only read.
  init(image path: String, cache: CacheFolder) throws(ToolFailure) {
    let state = try attempting(path, "make it readable") { () throws(HostError) in
      var contents = RootContents()
      try contents.pack(path, as: "/image")
      return try ContentState(contents, maker: path)
    }
    image = path
    digest = try cache.remembered(state) { () throws(ToolFailure) in
      try attempting(path, "make it readable") { () throws(HostError) in
        try ContentDigest.ofFile(path)
      }
    }
  }

  /// The digest that was noted when an entry of the cache was made.
  private static func digest(of entry: String) throws(ToolFailure) -> String {
    guard let text = try? HostFile.content(of: "\(entry)/sha256"), text.count == 64 else {
      throw ToolFailure(.failed, "\(entry) is not whole", "quire clean")
    }
    return String(decoding: text, as: UTF8.self)
  }

  static func maker() throws(ToolFailure) -> String { try tool("mke2fs") }

  /// The path of a program of e2fsprogs.
  static func tool(_ name: String) throws(ToolFailure) -> String {
    for folder in ["/usr/sbin", "/sbin", "/usr/bin", "/usr/local/sbin"] {
      let path = "\(folder)/\(name)"
      // SAFETY: the path is terminated.
      if unsafe may_execute(path) == 0 { return path }
    }
    throw ToolFailure(.failed, "\(name) is missing", "apt-get install e2fsprogs")
  }

  /// A name for the content: whatever changes a byte of the image changes it.
  static func key(of contents: RootContents, maker: String) throws(ToolFailure) -> String {
    func content(of path: String) throws(ToolFailure) -> String {
      try attempting(path, "make it readable") { () throws(HostError) in
        try ContentDigest.ofFile(path)
      }
    }
    let digest = ContentDigest()
    digest.add("quire root disk 3")
    digest.add(try content(of: maker))
    var first: [StagingFolder.FileIdentity: String] = [:]
    for path in contents.paths {
      digest.add(path)
      switch contents.entries[path] {
      case .folder(let permissions):
        digest.add("folder \(permissions)")
      case .file(let file):
        let identity = StagingFolder.FileIdentity(file.facts)
        if file.facts.linkCount > 1, let other = first[identity] {
          digest.add("another name of")
          digest.add(other)
          continue
        }
        first[identity] = path
        digest.add("file \(file.permissions) \(file.time)")
        digest.add(try content(of: file.path))
      case .link(let target):
        digest.add("link")
        digest.add(target)
      case .text(let text):
        digest.add("text")
        digest.add(text)
      case nil:
        break
      }
    }
    return digest.finish()
  }

  static func make(
    _ contents: RootContents, in folder: String, maker: String
  ) throws(ToolFailure) {
    let image = "\(folder)/disk.img"
    let stage = StagingFolder("\(folder)/stage")
    defer { stage.open(contents) }
    let room = "free space in the cache folder"
    try attempting("packing", room) { () throws(HostError) in try stage.fill(with: contents) }
    try makeFileSystem(DiskSize(contents), on: image, from: stage.path, maker: maker)
    try attempting("packing", room) { () throws(HostError) in
      try Ext2Inodes.normalise(image, time: epoch)
      let digest = try ContentDigest.ofFile(image)
      try HostFile.write(Array(digest.utf8), to: "\(folder)/sha256")
      stage.open(contents)
      try HostFolder.remove(stage.path)
    }
  }

  private static func makeFileSystem(
    _ size: DiskSize, on image: String, from stage: String, maker: String
  ) throws(ToolFailure) {
    // Another version of mke2fs may need a little more room, or not know an option.
    let attempts: [(blocks: UInt64, option: String)] = [
      (size.blockCount, ",no_copy_xattrs"), (size.blockCount * 9 / 8 + 256, ",no_copy_xattrs"),
      (size.blockCount * 9 / 8 + 256, ""),
    ]
    var text = ""
    for attempt in attempts {
      let command = [
        "mke2fs", "-q", "-F", "-t", "ext2", "-b", "\(blockBytes)", "-I", "128",
        "-N", "\(size.inodeCount)", "-m", "0", "-O", "^dir_index,^resize_inode,^ext_attr",
        "-E",
        "root_owner=0:0,hash_seed=\(identity),lazy_itable_init=0,nodiscard\(attempt.option)",
        "-U", identity, "-d", stage, image, "\(attempt.blocks)",
      ]
      let result = try ChildProcess.run(maker, command, environment: makerEnvironment)
      if result.status == 0 { return }
      text = result.text
    }
    throw ToolFailure(.failed, "mke2fs: \(text)", "free space in the cache folder")
  }

  /// No setting and no clock of the host changes an image.
  static var makerEnvironment: [String] {
    ["E2FSPROGS_FAKE_TIME=\(epoch)", "MKE2FS_CONFIG=/dev/null", "LC_ALL=C"]
  }

  /// UUID and hash seed of every image.
  static var identity: String { "71756972-6500-4000-8000-000000000000" }
}
