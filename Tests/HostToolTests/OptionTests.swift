// SPDX-License-Identifier: Apache-2.0

import Foundation
import MemoryEvents
import MemoryUnits
import Testing

@testable import HostTool

struct OptionTests {
  @Test(
    arguments: [
      ("64M", .fresh(ByteCount(64 << 20))), ("./64M", .image("./64M", priority: nil)),
      ("a:5", .image("a", priority: 5)), ("a:b:0", .image("a:b", priority: 0)),
      ("/x/y", .image("/x/y", priority: nil)), ("a:32767", .image("a", priority: 32767)),
    ] as [(String, SwapArgument)])
  func `a swap disk is a size, or an image and its priority`(text: String, swap: SwapArgument) {
    #expect(SwapArgument(argument: text) == swap)
    #expect(swap.description == text)
  }

  @Test(arguments: ["", ":", ":5", "a:", "a:-1", "a:32768", "a:x"])
  func `anything else is no swap disk`(text: String) {
    #expect(SwapArgument(argument: text) == nil)
  }

  @Test func `a swap disk is whole pages, and an image has its signature`() throws {
    try SwapArgument.fresh(ByteCount(40 << 10)).check()
    for size in [4096, 36 << 10, 41 << 10] {
      #expect(throws: ToolFailure.self) {
        try SwapArgument.fresh(ByteCount(UInt64(size))).check()
      }
    }
    let path = NSTemporaryDirectory() + "swap-\(UUID())"
    defer { try? FileManager.default.removeItem(atPath: path) }
    var bytes = [UInt8](repeating: 0, count: 40 << 10)
    try HostFile.write(bytes, to: path)
    #expect(throws: ToolFailure.self) { try SwapArgument.image(path, priority: nil).check() }
    bytes.replaceSubrange(4086..<4096, with: Array("SWAPSPACE2".utf8))
    try HostFile.write(bytes, to: path)
    try SwapArgument.image(path, priority: 3).check()
  }

  @Test(
    arguments: [
      ("16M", 16 << 20, nil, nil), ("4M@0", 4 << 20, 0, nil),
      ("4M@16M", 4 << 20, 16 << 20, nil), ("4M@0x800000-64M", 4 << 20, 8 << 20, 64 << 20),
    ] as [(String, UInt64, UInt64?, UInt64?)])
  func `a contiguous area has a size, a base, a limit`(
    text: String, size: UInt64, base: UInt64?, limit: UInt64?
  ) throws {
    let area = try #require(ContiguousAreaArgument(argument: text))
    #expect(area.size == ByteCount(size) && area.base == base && area.limit == limit)
    try area.check(in: ByteCount(256 << 20))
    #expect(ContiguousAreaArgument(argument: area.description) == area)
  }

  @Test(arguments: ["", "x", "4M@", "4M@x", "4M@1M-", "4M@1M-2M-3M", "4M@0x", "4M@0x-1", "@4M"])
  func `anything else is no contiguous area`(text: String) {
    #expect(ContiguousAreaArgument(argument: text) == nil)
  }

  @Test(arguments: ["257M", "4M@254M", "4M@1M", "8M@16M-20M", "4M@0-512M", "1T@16777215T"])
  func `a contiguous area lies in memory, aligned`(text: String) throws {
    let area = try #require(ContiguousAreaArgument(argument: text))
    #expect(throws: ToolFailure.self) { try area.check(in: ByteCount(256 << 20)) }
  }

  @Test func `what is saved goes where cp would put it`() throws {
    let folder = NSTemporaryDirectory() + "save-\(UUID())"
    try FileManager.default.createDirectory(
      atPath: folder + "/there", withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let target = { (text: String) in
      try #require(SaveArgument(argument: text)).target(from: folder)
    }
    #expect(try target("/a/b") == folder + "/b")
    #expect(try target("b") == folder + "/b")
    #expect(try target("/a/b:c") == folder + "/c")
    #expect(try target("/a/b:there") == folder + "/there/b")
    #expect(try target("/a/b:there/") == folder + "/there/b")
    #expect(throws: ToolFailure.self) { try target("/a/b:missing/") }
    #expect(throws: ToolFailure.self) { try target("/a/b:missing/c") }
    for text in ["", ":", ":a", "a:"] { #expect(SaveArgument(argument: text) == nil) }
  }

  @Test func `a scratch disk is the same bytes every time and has no name`() throws {
    let folder = NSTemporaryDirectory() + "scratch-\(UUID())"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let digest = { (folder: String, user: UInt32) in
      let disk = try ScratchDisk(ByteCount(3 << 20), user: user, folders: [folder])
      return try ContentDigest.ofFile("/proc/self/fd/\(disk.descriptor)")
    }
    let first = try digest(folder, 0)
    #expect(try digest(folder, 0) == first)
    #expect(try digest("/no/such", 0) == first)
    #expect(try digest(folder, 7) != first)
    #expect(try HostFolder.names(in: folder) == [])
  }

  @Test func `what a kernel refuses is a usage error that names it`() {
    var options = MachineOptions()
    options.settings = ["vm.a=1", "vm.b=2"]
    options.bootWords = ["x"]
    let failure = { (tag: UInt8, error: UInt16, index: UInt32) in
      RunResult(
        .wordRefused, value: RefusedWord(tag: tag, error: error, index: index).encoded,
        options: options, text: ""
      ).failure
    }
    #expect(failure(6, 2, 0)?.what == "unknown boot word x")
    #expect(failure(7, 2, 1)?.what == "--set vm.b=2: the kernel has no such setting")
    #expect(failure(7, 22, 0)?.what == "--set vm.a=1: no such value")
    #expect(failure(7, 13, 0)?.status == .usage)
    #expect(failure(7, 2, 9)?.status == .usage)
  }
}
