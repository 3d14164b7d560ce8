// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A folder of the host and the ext2 image that mke2fs makes of it.
final class DiskImage {
  let folder: URL
  private let scratch: URL

  init() throws {
    scratch = FileManager.default.temporaryDirectory
      .appendingPathComponent("quire-files-\(UUID().uuidString)")
    folder = scratch.appendingPathComponent("root")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    for name in ["dev", "proc"] { try makeFolder(name) }
  }

  deinit { try? FileManager.default.removeItem(at: scratch) }

  func makeFolder(_ path: String) throws {
    try FileManager.default.createDirectory(
      at: folder.appendingPathComponent(path), withIntermediateDirectories: true)
  }

  func write(_ path: String, _ bytes: [UInt8]) throws {
    try Data(bytes).write(to: folder.appendingPathComponent(path))
  }

  func link(_ path: String, to target: String) throws {
    try FileManager.default.createSymbolicLink(
      atPath: folder.appendingPathComponent(path).path, withDestinationPath: target)
  }

  /// A file of a size with a few bytes at places, and holes elsewhere.
  func writeSparse(_ path: String, byteCount: UInt64, _ pieces: [(UInt64, [UInt8])]) throws {
    let url = folder.appendingPathComponent(path)
    try Data().write(to: url)
    let handle = try FileHandle(forWritingTo: url)
    try handle.truncate(atOffset: byteCount)
    for (offset, bytes) in pieces {
      try handle.seek(toOffset: offset)
      try handle.write(contentsOf: Data(bytes))
    }
    try handle.close()
  }

  /// Packs the folder.
  func pack(mebibytes: Int = 24, blockSize: Int = 4096, type: String = "ext2") throws -> [UInt8] {
    let image = scratch.appendingPathComponent("image")
    try? FileManager.default.removeItem(at: image)
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/sbin/mke2fs")
    process.arguments = [
      "-q", "-t", type, "-b", String(blockSize), "-d", folder.path, image.path,
      "\(mebibytes)M",
    ]
    process.standardError = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw CocoaError(.executableLoad) }
    return [UInt8](try Data(contentsOf: image))
  }
}

/// SplitMix64, so that a failure can be repeated from its seed.
struct SplitMix: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var word = state
    word = (word ^ word >> 30) &* 0xBF58_476D_1CE4_E5B9
    word = (word ^ word >> 27) &* 0x94D0_49BB_1331_11EB
    return word ^ word >> 31
  }

  mutating func bytes(_ count: Int) -> [UInt8] {
    (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
  }
}
