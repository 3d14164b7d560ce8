// SPDX-License-Identifier: Apache-2.0

/// The instructions that memory operations take in a machine with Quire, as a program in it
/// counts them (`Tests/bench/guest.c`).
///
/// Context: as `MachineRun`.
public struct GuestBench {
  /// A row as it was measured.
  struct Figure: Equatable {
    let row: Row
    let instructions: UInt64
    /// The largest figure of the rounds less the smallest.
    let spread: UInt64

    var isMet: Bool { instructions <= row.bar }
  }

  let figures: [Figure]
  /// What a million turns of a loop of two instructions took.
  let calibration: UInt64

  /// Measures the named rows, or all of them, in one run.
  public init(rows names: [String], host: HostEnvironment) throws(ToolFailure) {
    for name in names where !Self.rows.contains(where: { $0.name == name }) {
      throw ToolFailure(.usage, "there is no row \(name)", "see ./quire bench guest --help")
    }
    guard let program = host.variables["QUIRE_GUEST_BENCH"] else {
      throw ToolFailure(
        .failed, "the program that measures is missing", "start the tool as ./quire")
    }
    let words = ["quire", "run", "--quiet", "--", program] + names
    let environment = host.variables.map { "\($0.key)=\($0.value)" }.sorted()
    let result = try ChildProcess.run("/proc/self/exe", words, environment: environment)
    guard result.status == 0 else {
      throw ToolFailure(
        .failed, "the measuring program ended with status \(result.status): \(result.text)",
        "run it alone: ./quire run -- \(program)")
    }
    try self.init(output: result.text)
  }

  /// Reads what the program wrote: a name and two numbers for each row.
  init(output: String) throws(ToolFailure) {
    let words = output.split(separator: " ", omittingEmptySubsequences: true)
    var figures: [Figure] = []
    var calibration: UInt64 = 0
    for place in stride(from: 0, to: words.count, by: 3) {
      guard place + 2 < words.count, let instructions = UInt64(words[place + 1]),
        let spread = UInt64(words[place + 2])
      else { throw Self.unreadable(output) }
      if words[place] == "calibration" {
        calibration = instructions
        continue
      }
      guard let row = Self.rows.first(where: { $0.name == words[place] }) else {
        throw Self.unreadable(output)
      }
      figures.append(Figure(row: row, instructions: instructions, spread: spread))
    }
    // Two instructions a turn, and no more than the loop's own beginning and end beside them.
    guard calibration >= 2_000_000, calibration < 2_001_000 else {
      throw ToolFailure(
        .failed, "a million turns of a loop took \(calibration) ticks instead of 2,000,000",
        "measure with QEMU's -icount shift=0")
    }
    self.figures = figures
    self.calibration = calibration
  }

  private static func unreadable(_ output: String) -> ToolFailure {
    ToolFailure(
      .failed, "the measuring program wrote something else than figures: \(output)",
      "report it")
  }

  /// Whether no row misses its bar.
  public var isMet: Bool { figures.allSatisfy(\.isMet) }

  /// The table, for people.
  public var lines: [String] {
    let heads = ["operation", "Quire", "spread", "Linux", "must", ""]
    let cells = figures.map { figure in
      [
        figure.row.name, grouped(figure.instructions), grouped(figure.spread),
        grouped(figure.row.linux), grouped(figure.row.bar), figure.isMet ? "met" : "missed",
      ]
    }
    let widths = heads.indices.map { column in
      ([heads] + cells).map { $0[column].count }.max() ?? 0
    }
    let table = ([heads] + cells).map { row in
      row.enumerated().map { column, text in
        let blanks = String(repeating: " ", count: widths[column] - text.count)
        return column == 0 || column == row.count - 1 ? text + blanks : blanks + text
      }.joined(separator: "  ").trimmed
    }
    let missed = figures.count { !$0.isMet }
    return ["guest instructions; a million turns of two: \(grouped(calibration))"] + table
      + [
        "Linux: recorded before (Debian 6.1, tuned, same emulator), not run now",
        "\(figures.count - missed) met, \(missed) missed",
      ]
  }

  /// The table, for programs: one JSON object, its numbers integers.
  var json: String {
    let rows = figures.map { figure in
      "    {\"name\": \(quoted(figure.row.name)), \"quire\": \(figure.instructions),"
        + " \"spread\": \(figure.spread), \"linux_recorded\": \(figure.row.linux),"
        + " \"must\": \(figure.row.bar), \"met\": \(figure.isMet)}"
    }
    return """
      {
        "schema": "quire-bench-guest",
        "version": 1,
        "calibration": \(calibration),
        "rows": [
      \(rows.joined(separator: ",\n"))
        ]
      }

      """
  }

  /// Writes the table for programs.
  public func write(to path: String) throws(ToolFailure) {
    try attempting(path, "name a file that can be written") { () throws(HostError) in
      try HostFile.write(Array(json.utf8), to: path)
    }
  }
}

extension GuestBench {
  /// An operation, with what Linux was measured to take and what Quire may take.
  public struct Row: Equatable, Sendable {
    public let name: String
    /// Debian's 6.1 kernel, tuned: mitigations, control groups and zeroing at allocation off.
    let linux: UInt64
    let bar: UInt64

    init(_ name: String, _ linux: UInt64, _ bar: UInt64) {
      self.name = name
      self.linux = linux
      self.bar = bar
    }
  }

  /// The rows of `Tests/bench/guest.c`, in its order.
  public static var rows: [Row] {
    [
      Row("demand-zero", 2_730, 1_800),
      Row("zero-page-read", 1_148, 800),
      Row("zero-page-write", 3_142, 1_900),
      Row("copy-on-write", 3_288, 2_000),
      Row("copy-on-write-reuse", 1_257, 700),
      Row("munmap-page", 884, 400),
      Row("dontneed-page", 881, 400),
      Row("populate-page", 2_851, 1_200),
      Row("mmap-munmap", 10_905, 3_500),
      Row("mmap-touch-munmap", 16_071, 6_000),
      Row("mprotect-page", 9_223, 3_000),
      Row("mprotect-1024", 183_048, 60_000),
      Row("mmap-1000", 8_569, 3_000),
      Row("munmap-1000", 9_502, 3_000),
      Row("mremap-4096", 54_701, 20_000),
      Row("brk", 2_558, 1_200),
      Row("brk-touch", 5_397, 3_000),
      Row("fork-small", 95_527, 50_000),
      Row("fork-64m", 6_070_000, 4_000_000),
      Row("getppid", 331, 250),
    ]
  }
}
