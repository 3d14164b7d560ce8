// SPDX-License-Identifier: Apache-2.0

/// What `Tests/bench/guest.c` wrote on one kernel: facts first, then rows.
///
/// A line is a name, a number, and how far the rounds lie apart.
struct GuestFigures: Equatable {
  struct Row: Equatable {
    let name: String
    let instructions: UInt64
    /// The largest figure of the rounds less the smallest.
    let spread: UInt64
  }

  /// KiB, as `sysinfo` says.
  let memoryTotal: UInt64
  let memoryFree: UInt64
  /// What a million turns of a loop of two instructions took.
  let calibration: UInt64
  let rows: [Row]
  /// Instructions from the kernel's entry to the program's first one, where it is known.
  var startInstructions: UInt64?

  /// - Parameter slack: instructions that interrupts may add to the two millions of the
  ///   calibrating loop; none on Quire, whose timer ticks on demand alone.
  init(output: String, slack: UInt64) throws(ToolFailure) {
    let words = output.split(separator: " ", omittingEmptySubsequences: true)
    var lines: [Row] = []
    for place in stride(from: 0, to: words.count, by: 3) {
      guard place + 2 < words.count, let instructions = UInt64(words[place + 1]),
        let spread = UInt64(words[place + 2])
      else { throw Self.unreadable(output) }
      lines.append(Row(name: String(words[place]), instructions: instructions, spread: spread))
    }
    let facts = lines.prefix(4)
    guard facts.map(\.name) == ["boot", "memory-total", "memory-free", "calibration"] else {
      throw Self.unreadable(output)
    }
    memoryTotal = facts[1].instructions
    memoryFree = facts[2].instructions
    calibration = facts[3].instructions
    rows = Array(lines.dropFirst(4))
    let isKnown = rows.allSatisfy { row in
      let name = row.name.prefix { $0 != ":" }
      return name == GuestBench.memoryKill || GuestBench.rows.contains { $0.name == name }
    }
    guard isKnown else { throw Self.unreadable(output) }
    guard calibration >= 2_000_000, calibration < 2_001_000 + slack else {
      throw ToolFailure(
        .failed, "a million turns of a loop took \(calibration) ticks instead of 2,000,000",
        "measure with QEMU's -icount shift=0")
    }
  }

  private static func unreadable(_ output: String) -> ToolFailure {
    ToolFailure(
      .failed, "the measuring program wrote something else than figures: \(output)",
      "report it")
  }

  subscript(name: String) -> Row? { rows.first { $0.name == name } }
}
