// SPDX-License-Identifier: Apache-2.0

import MemoryUnits
import Testing

@testable import HostTool

struct ArgumentTests {
  @Test(
    arguments: [
      ("1", 1), ("4096", 4096), ("64K", 0x1_0000), ("64k", 0x1_0000), ("256M", 0x1000_0000),
      ("2G", 0x8000_0000), ("1T", 0x100_0000_0000), ("18446744073709551615", .max),
      ("16777215T", 0xFFFF_FF00_0000_0000),
    ] as [(String, UInt64)])
  func `sizes are read in powers of 1024`(text: String, bytes: UInt64) {
    #expect(SizeArgument(argument: text)?.bytes == ByteCount(bytes))
  }

  @Test(arguments: [
    "", "K", "banana", "0", "0M", "-1", "+1", "1.5M", "1MB", " 1", "1 ", "0x10", "1KK", "١",
    "18446744073709551616", "16777216T", "99999999999999999999999G",
  ])
  func `anything else is no size`(text: String) {
    #expect(SizeArgument(argument: text) == nil)
  }

  @Test(arguments: [("4096", "4K"), ("256M", "256M"), ("1025", "1025"), ("3072M", "3G")])
  func `a size is written as a user would`(text: String, written: String) {
    #expect(SizeArgument(argument: text)?.description == written)
  }

  @Test(
    arguments: [
      (17, "17 bytes"), (1024, "1 KiB"), (1536, "1.5 KiB"), (0x400_0000, "64 MiB"),
      (0x404_0000, "64.3 MiB"), (0x8000_0000, "2 GiB"), (0, "0 bytes"),
    ] as [(UInt64, String)])
  func `sizes are rounded for people`(bytes: UInt64, text: String) {
    #expect(ByteCount(bytes).readable == text)
  }

  @Test(arguments: [(UInt64(0), "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")])
  func `digits are grouped by three`(number: UInt64, text: String) {
    #expect(grouped(number) == text)
  }

  @Test(arguments: [
    ("30", UInt64(30_000)), ("30s", 30_000), ("500ms", 500), ("2m", 120_000), ("1h", 3_600_000),
  ])
  func `durations have units`(text: String, milliseconds: UInt64) {
    #expect(DurationArgument(argument: text)?.milliseconds == milliseconds)
  }

  @Test(arguments: ["", "s", "0", "ms", "1d", "-1s", "1.5s", "99999999999999999999s"])
  func `anything else is no duration`(text: String) {
    #expect(DurationArgument(argument: text) == nil)
  }

  @Test func `a failure is one line whatever is in it`() {
    let failure = ToolFailure(.failed, "a\nb\u{7}", "c\r\nd")
    #expect(failure.line == "quire: a b : c  d")
  }

  @Test func `words are quoted for a shell only where they need it`() {
    #expect(shellQuoted("a-b_c./=,:+@%9") == "a-b_c./=,:+@%9")
    #expect(shellQuoted("") == "''")
    #expect(shellQuoted("it's $x") == "'it'\\''s $x'")
    #expect(shellQuoted("a\nit's\\\u{1}7") == "$'a\\nit\\'s\\\\\\0017'")
  }

  @Test func `the last value of a variable wins and keeps its place`() {
    var options = MachineOptions()
    options.environment = ["A=1", "PATH=/x", "A=2"]
    let pairs = options.wholeEnvironment(terminal: nil)
    #expect(pairs == ["PATH=/x", "HOME=/root", "LANG=C.UTF-8", "TERM=dumb", "A=2"])
  }

  @Test func `the next command repeats what was asked for`() {
    var options = MachineOptions()
    options.program = ["echo", "a b"]
    #expect(options.command([], memory: options.memory) == "./quire run -- echo 'a b'")
    options.memory = ByteCount(16 << 20)
    options.files = [("x", nil), ("y", "/z")]
    options.user = 7
    #expect(
      options.command(["--json", "j"], memory: options.memory)
        == "./quire run --json j --memory 16M --file x --file y:/z --user 7 -- echo 'a b'")
  }

  @Test func `memory has a least and a most`() throws {
    var options = MachineOptions()
    options.memory = ByteCount(4 << 30)
    #expect(throws: ToolFailure.self) { try options.check() }
    options.memory = MachineOptions.largestMemory
    try options.check()
  }
}
