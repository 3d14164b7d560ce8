// SPDX-License-Identifier: Apache-2.0

import FileSystems
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames
import SelfTests

/// Boot word `selftest`: the kernel's own suites instead of a program.
extension Kernel {
  /// Runs all suites, with a line on the standard output for each, and ends the machine: with 0
  /// if every check held, otherwise with 1.
  ///
  /// - Context: process 1, before there is a program.
  func runSelfTests() -> Never {
    var isGood = true
    for number in 0..<SelfTestSuite.count {
      guard let suite = SelfTestSuite(rawValue: number) else { continue }
      let checks = SelfTests(self).run(suite)
      if checks.failure != nil { isGood = false }
      sayResult(of: suite, checks)
    }
    try? fileSystems.leaveScratch()
    stop(.exited, value: isGood ? 0 : 1)
  }

  private func sayResult(of suite: SelfTestSuite, _ checks: SelfTestChecks) {
    var bytes = InlineArray<256, UInt8>(repeating: 0)
    withMemoryBlock(over: &bytes) { block in
      var line = SelfTestLine(block)
      line.put(checks.failure == nil ? "ok " : "not ok ")
      line.put(suite.name)
      if let finding = checks.finding {
        line.put(": ")
        line.put(finding)
      }
      line.put(" (")
      line.put(checks.count)
      line.put(" checks)")
      if let failure = checks.failure {
        line.put(" # ")
        line.put(failure)
      }
      line.put("\n")
      fileSystems.say(block, byteCount: line.byteCount)
    }
  }
}

extension Kernel: SelfTestEnvironment {
  public func byteCount(ofDisk disk: Int) -> ByteCount { fileSystems.byteCount(ofDisk: disk) }

  public func startReading(
    disk: Int, block: UInt32, pageCount: Int, into first: PageFrameNumber
  ) {
    fileSystems.startReading(disk: disk, block: block, pageCount: pageCount, into: first)
  }
}

/// A line of text that grows.
private struct SelfTestLine {
  private let block: MemoryBlock
  private(set) var byteCount = 0

  init(_ block: MemoryBlock) { self.block = block }

  /// Appends a text, or leaves it out where it does not fit.
  mutating func put(_ text: StaticString) {
    guard byteCount + text.utf8CodeUnitCount < block.byteCount else { return }
    byteCount += block.store(text: text, at: byteCount)
  }

  mutating func put(_ number: Int) {
    var divisor = 1
    while number / divisor >= 10 { divisor *= 10 }
    while divisor > 0, byteCount < block.byteCount {
      block.store(UInt8(0x30 + number / divisor % 10), at: byteCount)
      byteCount += 1
      divisor /= 10
    }
  }
}
