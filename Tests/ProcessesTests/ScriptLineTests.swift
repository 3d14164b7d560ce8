// SPDX-License-Identifier: Apache-2.0

import Machine
import Testing

@testable import Processes

@Suite struct ScriptLineTests {
  /// Interpreter and option of a script's first bytes, nil if it is none.
  static func read(_ text: String) -> [String]? {
    var buffer = InlineArray<256, UInt8>(repeating: 0)
    let bytes = Array(text.utf8.prefix(256))
    return withMemoryBlock(over: &buffer) { block in
      for (index, byte) in bytes.enumerated() { block.store(byte, at: index) }
      guard let line = ScriptLine(in: block, byteCount: bytes.count) else { return nil }
      return [
        string(block, line.interpreterOffset, line.interpreterLength),
        string(block, line.optionOffset, line.optionLength),
      ]
    }
  }

  static func string(_ block: MemoryBlock, _ offset: Int, _ count: Int) -> String {
    String(
      decoding: (0..<count).map { block.load(UInt8.self, at: offset + $0) }, as: UTF8.self)
  }

  @Test func `a line is interpreter and one option, with blanks around them left out`() {
    #expect(Self.read("#!/bin/sh\necho") == ["/bin/sh", ""])
    #expect(Self.read("#! \t/bin/sh  -e x \t\n") == ["/bin/sh", "-e x"])
    #expect(Self.read("#!/bin/sh") == ["/bin/sh", ""])
  }

  @Test func `what does not begin with the mark is no script`() {
    #expect(Self.read("") == nil)
    #expect(Self.read("#") == nil)
    #expect(Self.read("echo") == nil)
  }

  @Test func `an empty line names no interpreter`() {
    #expect(Self.read("#!\n")?[0] == "")
    #expect(Self.read("#!   ")?[0] == "")
  }

  @Test func `a path that is cut is refused, an option that is cut is not`() {
    let long = String(repeating: "x", count: 300)
    #expect(Self.read("#!/" + long)?[0] == "")
    #expect(Self.read("#!/bin/sh " + long)?[0] == "/bin/sh")
  }
}
