// SPDX-License-Identifier: Apache-2.0

import FileSystems
import Foundation
import KernelHeap
import LinuxABI
import MemoryUnits
import Testing

/// A scratch disk and what the host's own checker says of it.
enum ScratchDisk {
  /// A fresh file system.
  static func make(mebibytes: Int, options: [String] = []) throws -> [UInt8] {
    let image = path()
    defer { try? FileManager.default.removeItem(at: image) }
    let status = try run(
      "/sbin/mke2fs",
      ["-q", "-t", "ext2", "-b", "4096", "-O", "^dir_index,^resize_inode,^ext_attr"] + options
        + [image.path, "\(mebibytes)M"]
    ).status
    guard status == 0 else { throw CocoaError(.executableLoad) }
    return [UInt8](try Data(contentsOf: image))
  }

  /// What `e2fsck -fn` complains about; empty for a sound file system.
  static func complaints(about bytes: [UInt8]) throws -> String {
    let image = path()
    defer { try? FileManager.default.removeItem(at: image) }
    try Data(bytes).write(to: image)
    let result = try run("/sbin/e2fsck", ["-fn", image.path])
    return result.status == 0 ? "" : result.text
  }

  private static func path() -> URL {
    FileManager.default.temporaryDirectory.appendingPathComponent("quire-\(UUID().uuidString)")
  }

  private static func run(
    _ tool: String, _ arguments: [String]
  ) throws -> (status: Int32, text: String) {
    let process = Process()
    let pipe = Pipe()
    process.executableURL = URL(fileURLWithPath: tool)
    process.arguments = arguments
    process.standardOutput = pipe
    process.standardError = FileHandle.nullDevice
    try process.run()
    let text = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return (process.terminationStatus, String(decoding: text, as: UTF8.self))
  }
}

extension TestFiles {
  /// Runs a body on a machine with a scratch disk, and gives the disk as it was left.
  static func runScratch(
    _ scratch: [UInt8], frameCount: Int = 4096, _ body: (TestFiles) throws -> Void
  ) throws -> [UInt8] {
    let root = try DiskImage()
    try root.makeFolder("var")
    var left: [UInt8] = []
    try run(disk: try root.pack(mebibytes: 2), scratch: scratch, frameCount: frameCount) { test in
      try test.files.mountRoot()
      try test.files.mountScratch()
      try body(test)
      try test.files.leaveScratch()
      left = test.host.scratch
    }
    return left
  }

  func name(_ path: String) -> String { "/var/scratch/" + path }

  func create(_ path: String, _ bytes: [UInt8] = []) throws(Errno) {
    let file = try open(name(path), .create.union(.truncate).union(.readWrite))
    defer { files.release(file) }
    var done = 0
    while done < bytes.count { done += try write(file, Array(bytes[done...])) }
  }

  func makeFolder(_ path: String) throws(Errno) {
    try withPath(name(path)) { (text, root) throws(Errno) in
      try files.make(
        NewFile(mode: FileMode(.folder, permissions: 0o755), user: 0, group: 0), at: text,
        from: root, as: .administrator)
    }
  }

  func makeLink(_ path: String, to target: String) throws(Errno) {
    try withPath(name(path)) { (text, root) throws(Errno) in
      let bytes = [UInt8](target.utf8)
      try withBlock(bytes) { (block) throws(Errno) in
        try files.withPath(copying: block) { (target) throws(Errno) in
          try files.makeLink(to: target, at: text, from: root, as: .administrator)
        }
      }
    }
  }

  func remove(_ path: String) throws(Errno) {
    try withPath(name(path)) { (text, root) throws(Errno) in
      try files.remove(text, from: root, as: .administrator)
    }
  }

  func removeFolder(_ path: String) throws(Errno) {
    try withPath(name(path)) { (text, root) throws(Errno) in
      try files.removeFolder(text, from: root, as: .administrator)
    }
  }

  func rename(_ old: String, to new: String) throws(Errno) {
    try withPath(name(old)) { (text, root) throws(Errno) in
      try withPath(name(new)) { (other, top) throws(Errno) in
        try files.rename(text, from: root, to: other, from: top, .replacing, as: .administrator)
      }
    }
  }

  func writeAt(_ path: String, _ offset: UInt64, _ bytes: [UInt8]) throws(Errno) {
    let file = try open(name(path), .readWrite)
    defer { files.release(file) }
    let count = try withBlock(bytes) { (block) throws(Errno) in
      try files.write(file, at: offset, from: .kernel(block, at: 0), byteCount: bytes.count)
    }
    if count < bytes.count { throw .ENOSPC }
  }

  func cut(_ path: String, to byteCount: UInt64) throws(Errno) {
    let inode = try find(name(path))
    defer { files.release(inode) }
    try files.truncate(inode, to: byteCount)
  }

  func synchronize(_ path: String) throws(Errno) {
    let file = try open(name(path))
    defer { files.release(file) }
    try files.synchronize(file)
  }
}
