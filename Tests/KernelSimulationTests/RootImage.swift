// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The root disk of every run: an ext2 file system with two executables, made by mke2fs.
///
/// The executables have headers and a page of code that nobody executes: what a program does is
/// a script of the test. But the page is mapped, read from the disk and fetched from.
enum RootImage {
  static var firstPath: String { "/bin/first" }
  static var secondPath: String { "/bin/second" }
  static var firstEntry: UInt64 { 0x40_1000 }
  static var secondEntry: UInt64 { 0x50_1000 }
  /// Where either program has memory of its own, zeroed.
  static var data: UInt64 { 0x60_0000 }
  static var dataBytes: UInt64 { 0x4_0000 }

  /// Made once; its time stamps differ from run to run of the test process, its layout does not.
  static let bytes: [UInt8] = {
    do {
      return try make()
    } catch {
      fatalError("no root image: \(error)")
    }
  }()

  private static func make() throws -> [UInt8] {
    let files = FileManager.default
    let scratch = files.temporaryDirectory
      .appendingPathComponent("quire-kernel-\(UUID().uuidString)")
    defer { try? files.removeItem(at: scratch) }
    let root = scratch.appendingPathComponent("root")
    for name in ["bin", "dev", "proc"] {
      try files.createDirectory(
        at: root.appendingPathComponent(name), withIntermediateDirectories: true)
    }
    for (path, entry) in [(firstPath, firstEntry), (secondPath, secondEntry)] {
      let file = root.appendingPathComponent(path)
      try Data(executable(entry: entry)).write(to: file)
      try files.setAttributes([.posixPermissions: 0o755], ofItemAtPath: file.path)
    }
    let text = root.appendingPathComponent("text")
    try Data((0..<40_000).map { UInt8($0 % 251) }).write(to: text)
    let image = scratch.appendingPathComponent("image")
    let process = Foundation.Process()
    process.executableURL = URL(fileURLWithPath: "/sbin/mke2fs")
    process.arguments = ["-q", "-t", "ext2", "-b", "4096", "-d", root.path, image.path, "2M"]
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    try process.run()
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { throw CocoaError(.executableLoad) }
    return [UInt8](try Data(contentsOf: image))
  }

  /// A page of headers, a page of code, and a segment of zeroes.
  private static func executable(entry: UInt64) -> [UInt8] {
    var bytes: [UInt8] = [0x7F, 0x45, 0x4C, 0x46, 2, 1, 1, 0] + Array(repeating: 0, count: 8)
    func append(_ value: some FixedWidthInteger) {
      withUnsafeBytes(of: value.littleEndian) { bytes += Array($0) }
    }
    append(2 as UInt16)
    append(62 as UInt16)
    append(1 as UInt32)
    append(entry)
    append(64 as UInt64)
    append(0 as UInt64)
    append(0 as UInt32)
    for value in [64, 56, 2, 64, 0, 0] as [UInt16] { append(value) }
    append(1 as UInt32)
    append(5 as UInt32)
    for value in [0, entry - 4096, entry - 4096, 8192, 8192, 4096] { append(value) }
    append(1 as UInt32)
    append(6 as UInt32)
    for value in [0, data, data, 0, dataBytes, 4096] { append(value) }
    return bytes + Array(repeating: 0, count: 4096 - bytes.count)
      + Array(repeating: 0x90, count: 4096)
  }
}
