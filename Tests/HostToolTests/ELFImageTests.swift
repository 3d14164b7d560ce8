// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import HostTool

struct ELFImageTests {
  /// A small dynamic program: one segment with all in it, an interpreter, two libraries, a path.
  static func sample() -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 0x400)
    bytes.replaceSubrange(0..<7, with: [0x7F, 0x45, 0x4C, 0x46, 2, 1, 1])
    bytes.setNumber(3, at: 16, bytes: 2)
    bytes.setNumber(62, at: 18, bytes: 2)
    bytes.setNumber(64, at: 32, bytes: 8)
    bytes.setNumber(56, at: 54, bytes: 2)
    bytes.setNumber(3, at: 56, bytes: 2)
    segment(&bytes, 0, kind: 1, offset: 0, address: 0x1000, size: 0x400, memory: 0x2000)
    segment(&bytes, 1, kind: 3, offset: 0x200, address: 0x1200, size: 8, memory: 8)
    segment(&bytes, 2, kind: 2, offset: 0x240, address: 0x1240, size: 0x70, memory: 0x70)
    bytes.replaceSubrange(0x200..<0x208, with: Array("/ld.so\0\0".utf8))
    let strings = Array("\0liba.so\0libb.so\0$ORIGIN/x:/y\0".utf8)
    bytes.replaceSubrange(0x300..<0x300 + strings.count, with: strings)
    let dynamic: [(UInt64, UInt64)] = [
      (1, 1), (1, 9), (29, 17), (5, 0x1300), (10, UInt64(strings.count)), (0, 0),
    ]
    for (index, (tag, value)) in dynamic.enumerated() {
      bytes.setNumber(tag, at: 0x240 + index * 16, bytes: 8)
      bytes.setNumber(value, at: 0x248 + index * 16, bytes: 8)
    }
    return bytes
  }

  private static func segment(
    _ bytes: inout [UInt8], _ index: Int, kind: UInt64, offset: UInt64, address: UInt64,
    size: UInt64, memory: UInt64
  ) {
    let base = 64 + index * 56
    bytes.setNumber(kind, at: base, bytes: 4)
    bytes.setNumber(offset, at: base + 8, bytes: 8)
    bytes.setNumber(address, at: base + 16, bytes: 8)
    bytes.setNumber(size, at: base + 32, bytes: 8)
    bytes.setNumber(memory, at: base + 40, bytes: 8)
  }

  static func read(_ bytes: [UInt8]) throws(ELFImage.Problem) -> ELFImage {
    try ELFImage(
      ELFImage.Source(size: UInt64(bytes.count)) { (offset, count) throws(ELFImage.Problem) in
        guard offset < UInt64(bytes.count) else { return [] }
        return Array(bytes[Int(offset)...].prefix(count))
      })
  }

  @Test func `interpreter, libraries and paths are found`() throws {
    let image = try Self.read(Self.sample())
    #expect(image.interpreter == "/ld.so")
    #expect(image.libraries == ["liba.so", "libb.so"])
    #expect(image.searchPaths == ["$ORIGIN/x", "/y"])
  }

  @Test func `a file that is cut off anywhere is refused with a reason`() {
    let sample = Self.sample()
    for count in 0..<sample.count {
      let problem = #expect(throws: ELFImage.Problem.self) {
        try Self.read(Array(sample[..<count]))
      }
      if count < 4 {
        #expect(problem == .notELF)
      } else if case .corrupt = problem {
      } else {
        Issue.record("cut at \(count): \(String(describing: problem))")
      }
    }
  }

  @Test func `no byte of any value makes the reader trap`() {
    let sample = Self.sample()
    for place in sample.indices {
      for value in [UInt8](arrayLiteral: 0, 1, 0x7F, 0x80, 0xFE, 0xFF) {
        var broken = sample
        broken[place] = value
        _ = try? Self.read(broken)
      }
    }
  }

  @Test func `numbers of the largest size overflow nowhere`() {
    let sample = Self.sample()
    for place in stride(from: 16, to: sample.count - 8, by: 2) {
      for value in [UInt64.max, 1 << 63, UInt64.max - 0xFFF, 0x7FFF_FFFF_FFFF_FFFF] {
        var broken = sample
        broken.setNumber(value, at: place, bytes: 8)
        _ = try? Self.read(broken)
      }
    }
  }

  @Test(arguments: [
    (UInt8(1), UInt64(3), "i386"), (1, 62, "x32"), (2, 183, "AArch64"), (2, 243, "RISC-V"),
    (1, 40, "ARM"), (2, 999, "ELF machine 999"),
  ])
  func `programs of other architectures are named`(width: UInt8, machine: UInt64, name: String) {
    var bytes = Self.sample()
    bytes[4] = width
    bytes.setNumber(machine, at: 18, bytes: 2)
    #expect(throws: ELFImage.Problem.otherArchitecture(name)) { try Self.read(bytes) }
  }

  @Test func `an object file is no program`() {
    var bytes = Self.sample()
    bytes.setNumber(1, at: 16, bytes: 2)
    #expect(throws: ELFImage.Problem.corrupt("it is not a program (type 1)")) {
      try Self.read(bytes)
    }
  }

  @Test(arguments: [
    ("#!/bin/sh\n", "/bin/sh", ""), ("#! /usr/bin/env  a b \nx", "/usr/bin/env", "a b"),
    ("#!\t/a\t-x -y", "/a", "-x -y"), ("#!/a\0b", "/a", ""),
  ])
  func `a script's first line is read as Linux reads it`(
    text: String, interpreter: String, rest: String
  ) {
    let line = ScriptLine(Array(text.utf8))
    #expect(line?.interpreter == interpreter)
    #expect(line?.rest == rest)
  }

  @Test(arguments: ["", "#", "#!", "#!\n/bin/sh", "#!  \n", "echo hi\n"])
  func `a file without an interpreter is no script`(text: String) {
    #expect(ScriptLine(Array(text.utf8)) == nil)
  }
}
