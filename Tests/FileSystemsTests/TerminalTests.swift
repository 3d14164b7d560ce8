// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import Testing

@testable import FileSystems

/// Pseudo terminals against a model of their lines.
@Suite struct TerminalTests {
  /// A master and its unlocked terminal.
  private func pair(
    _ test: TestFiles
  ) throws -> (master: Reference<OpenFile>, slave: Reference<OpenFile>) {
    let maker = try test.files.deviceInode(.pseudoTerminalMaker)
    defer { test.files.release(maker) }
    let master = try test.files.open(maker, flags: .readWrite)
    var open: UInt32 = 0
    try withBytes(of: &open) { (block) throws(Errno) in
      try test.files.control(master, .lockPseudoTerminal, .kernel(block, at: 0), 0)
    }
    let slave = try test.files.openPeer(of: master, flags: .readWrite.union(.nonBlocking))
    return (master, slave)
  }

  private func withBytes(
    of value: inout UInt32, _ body: (MemoryBlock) throws(Errno) -> Void
  ) throws(Errno) {
    var bytes = (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * UInt32($0))) }
    try withBlock(over: &bytes) { (block) throws(Errno) in try body(block) }
    value = (0..<4).reduce(0) { $0 | UInt32(bytes[$1]) << (8 * UInt32($1)) }
  }

  /// What a line's keys make of it.
  private static func line(of typed: [UInt8]) -> [UInt8] {
    var line: [UInt8] = []
    for byte in typed {
      switch byte {
      case 0x7F: _ = line.popLast()
      case 0x15: line = []
      case 0x17:
        while let last = line.last, last == 0x20 { line.removeLast() }
        while let last = line.last, last != 0x20 { line.removeLast() }
      default: line.append(byte)
      }
    }
    return line
  }

  @Test(arguments: UInt64(1)...8) func `lines are what their keys make of them`(
    seed: UInt64
  ) throws {
    try TestFiles.run { test in
      let (master, slave) = try pair(test)
      var state = seed
      for _ in 0..<60 {
        var typed: [UInt8] = []
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        for index in 0..<(state >> 58) {
          let choices: [UInt8] = [0x61, 0x62, 0x20, 0x7A, 0x7F, 0x17, 0x61, 0x15]
          typed.append(choices[Int((state >> (index % 20 * 3)) & 7)])
        }
        #expect(try test.write(master, typed + [0x0A]) == typed.count + 1, "seed \(seed)")
        #expect(try test.read(slave, 4096) == Self.line(of: typed) + [0x0A], "seed \(seed)")
        // What was echoed is taken, so that it never fills.
        while test.files.readiness(of: master).contains(.input) { _ = try test.read(master, 4096) }
      }
      #expect(throws: Errno.EAGAIN) { try test.read(slave, 1) }
    }
  }

  @Test func `a pseudo terminal leaves nothing behind`() throws {
    try TestFiles.run { test in
      func use() throws {
        let (master, slave) = try pair(test)
        _ = try test.write(master, [0x61, 0x0A])
        test.files.release(slave)
        #expect(throws: Errno.EIO) {
          while true { _ = try test.read(master, 4096) }
        }
        test.files.release(master)
        #expect(test.files.firstTerminal(from: 0) == nil)
      }
      try use()
      let free = test.freePageCount
      for _ in 0..<50 { try use() }
      #expect(test.freePageCount == free)
    }
  }

  @Test func `keys send signals to the foreground group`() throws {
    try TestFiles.run { test in
      let (master, _) = try pair(test)
      #expect(test.host.terminal != 0)
      _ = try test.write(master, [0x61, 0x03])
      _ = try test.write(master, [0x1C, 0x1A])
      #expect(
        test.host.sentSignals == ["2 to group 2", "3 to group 2", "20 to group 2"])
    }
  }
}
