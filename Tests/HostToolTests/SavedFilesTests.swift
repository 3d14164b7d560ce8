// SPDX-License-Identifier: Apache-2.0

import Foundation
import MemoryEvents
import MemoryUnits
import Testing

@testable import HostTool

/// Files out of a machine, against records as a kernel, or a damaged disk, might send them.
struct SavedFilesTests {
  private let folder = NSTemporaryDirectory() + "saved-\(UUID())"
  private let memory: GuestMemory

  init() throws {
    memory = try GuestMemory(ByteCount(1 << 20))
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  }

  private func record(
    _ kind: SaveRecord.Kind, _ number: UInt32 = 0, _ bytes: [UInt8] = []
  ) -> [UInt8] {
    var record: [UInt8] = []
    for shift in 0..<4 { record.append(UInt8(truncatingIfNeeded: kind.rawValue >> (8 * shift))) }
    for shift in 0..<4 { record.append(UInt8(truncatingIfNeeded: number >> UInt32(8 * shift))) }
    for shift in 0..<8 { record.append(UInt8(truncatingIfNeeded: bytes.count >> (8 * shift))) }
    return record + bytes
  }

  /// Sends bytes in parts of a size, so that records are cut anywhere.
  private func send(_ bytes: [UInt8], to saved: SavedFiles, part: Int) throws {
    var head: UInt64 = 0
    for start in stride(from: 0, to: bytes.count, by: part) {
      for byte in bytes[start..<min(start + part, bytes.count)] {
        memory.withChannel(
          at: ChannelLayout.saveOffset + Int(head) % ChannelLayout.saveBytes, count: 1
        ) { $0[0] = byte }
        head += 1
      }
      memory.store(head, ChannelLayout.saveHeadOffset)
      #expect(try saved.drain(from: memory))
    }
    #expect(memory.load(ChannelLayout.saveTailOffset) == head)
  }

  @Test(arguments: [1, 7, 16, 4096])
  func `a tree arrives whole, however its records are cut`(part: Int) throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let saved = SavedFiles([("/tree", folder + "/tree")])
    let content = (0..<5000).map { UInt8(truncatingIfNeeded: $0 * 7) }
    let bytes =
      record(.begin) + record(.folder, 0o755) + record(.file, 0o640, Array("a".utf8))
      + record(.data, 0, Array(content[..<4096])) + record(.data, 0, Array(content[4096...]))
      + record(.folder, 0o700, Array("b".utf8)) + record(.link, 0, Array("b/l\u{0}../a".utf8))
      + record(.file, 0o600, Array("b/empty".utf8)) + record(.end)
    try send(bytes, to: saved, part: part)
    #expect(saved.failures.isEmpty && saved.doneCount == 1)
    #expect(try HostFile.content(of: folder + "/tree/b/l") == content)
    #expect(try FileFacts(folder + "/tree/a").permissions == 0o640)
    #expect(try HostFile.content(of: folder + "/tree/b/empty") == [])
  }

  @Test(arguments: ["..", "../x", "a/../../x", "/x", "a//b", ".", "a/", "x\u{0}y"])
  func `a name that leads out of the tree is refused`(name: String) throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let saved = SavedFiles([("/tree", folder + "/tree")])
    let bytes =
      record(.begin) + record(.folder, 0o755) + record(.file, 0o644, Array(name.utf8))
      + record(.data, 0, [1]) + record(.end)
    try send(bytes, to: saved, part: 4096)
    #expect(saved.failures.count == 1)
    #expect(try HostFolder.names(in: folder) == ["tree"])
    #expect(try HostFolder.names(in: folder + "/tree") == [])
  }

  @Test func `a link of the host inside the tree is not written through`() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try HostFolder.make(folder + "/tree")
    try HostFile.write([7], to: folder + "/precious")
    try FileManager.default.createSymbolicLink(
      atPath: folder + "/tree/f", withDestinationPath: folder + "/precious")
    let saved = SavedFiles([("/tree", folder + "/tree")])
    let bytes =
      record(.begin) + record(.folder, 0o755) + record(.file, 0o644, Array("f".utf8))
      + record(.data, 0, [1]) + record(.end)
    try send(bytes, to: saved, part: 4096)
    #expect(saved.failures.count == 1)
    #expect(try HostFile.content(of: folder + "/precious") == [7])
  }

  @Test func `what the kernel could not read is named by its path in the machine`() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let saved = SavedFiles([("/tree", folder + "/tree")])
    let bytes =
      record(.begin) + record(.failure, 2) + record(.failure, 5, Array("a/b".utf8)) + record(.end)
    try send(bytes, to: saved, part: 4096)
    #expect(saved.failures.map(\.path) == ["/tree", "/tree/a/b"])
  }

  @Test func `a record that is none ends the run`() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let saved = SavedFiles([])
    #expect(throws: ToolFailure.self) {
      try send([UInt8](repeating: 99, count: 16), to: saved, part: 16)
    }
  }
}
