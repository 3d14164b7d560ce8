// SPDX-License-Identifier: Apache-2.0

/// What Quire's page allocator and object heap cost on the host's own processor, beside the
/// allocators that Debian has, as one program measures them all (`Sources/nativebench`).
///
/// Context: as `MachineRun`.
public struct NativeBench {
  /// An allocator, and the library it comes from: empty for Quire's and for the system's own.
  struct Contender: Equatable {
    let name: String
    let library: String
  }

  struct Line {
    let row: Row
    /// Quire's first, then those of the contenders.
    let figures: [NativeFigure]
  }

  let contenders: [Contender]
  let lines: [Line]

  /// Measures the named rows, or all of them.
  public init(rows names: [String], host: HostEnvironment) throws(ToolFailure) {
    for name in names where !Self.rows.contains(where: { $0.name == name }) {
      throw ToolFailure(.usage, "there is no row \(name)", "see ./quire bench native --help")
    }
    guard let program = host.variables["QUIRE_NATIVE_BENCH"],
      let counter = host.variables["QUIRE_INSTRUCTION_COUNTER"]
    else {
      throw ToolFailure(
        .failed, "the program that measures is missing", "start the tool as ./quire")
    }
    contenders = Self.contenders(host)
    let all = [Contender(name: "quire", library: "")] + contenders
    var lines: [Line] = []
    for row in Self.rows where names.isEmpty || names.contains(row.name) {
      var figures: [NativeFigure] = []
      for contender in all {
        figures.append(try Self.figure(of: program, contender, row, counter))
      }
      // On a loaded host a time says something about the others: all take turns again.
      var turn = 0
      while turn < Self.turnCount, let bar = row.timeBar, figures[0].minimum > bar {
        for (place, contender) in all.enumerated() {
          figures[place].keepBest(of: try Self.times(of: program, contender, row))
        }
        turn += 1
      }
      lines.append(Line(row: row, figures: figures))
    }
    self.lines = lines
  }

  init(contenders: [Contender], lines: [Line]) {
    self.contenders = contenders
    self.lines = lines
  }

  /// The system's own, and those that the launcher found: NAME=LIBRARY, with colons between.
  static func contenders(_ host: HostEnvironment) -> [Contender] {
    let listed = (host.variables["QUIRE_ALLOCATORS"] ?? "").split(separator: ":")
    return [Contender(name: "glibc", library: "")]
      + listed.compactMap { entry in
        let parts = entry.split(separator: "=")
        return parts.count == 2
          ? Contender(name: String(parts[0]), library: String(parts[1])) : nil
      }
  }

  /// How often a row is measured again that took too long.
  private static var turnCount: Int { 5 }

  private static func output(
    _ contender: Contender, _ row: Row, _ path: String, _ words: [String]
  ) throws(ToolFailure) -> String {
    let environment = contender.library.isEmpty ? [] : ["LD_PRELOAD=\(contender.library)"]
    let result = try ChildProcess.run(path, words, environment: environment)
    guard result.status == 0 else {
      throw ToolFailure(
        .failed, "\(row.name) of \(contender.name) ended with status \(result.status):"
          + " \(result.text)", "run it alone: \(path) \(words.dropFirst().joined(separator: " "))")
    }
    return result.text
  }

  private static func times(
    of program: String, _ contender: Contender, _ row: Row
  ) throws(ToolFailure) -> NativeFigure {
    let kind = contender.name == "quire" ? "quire" : "system"
    let roundCount = kind == "quire" ? row.roundCount : row.roundCount / 4
    return try NativeFigure(
      output: output(
        contender, row, program, ["nativebench", kind, row.name, "\(roundCount)"]),
      row: row.name)
  }

  private static func figure(
    of program: String, _ contender: Contender, _ row: Row, _ counter: String
  ) throws(ToolFailure) -> NativeFigure {
    let kind = contender.name == "quire" ? "quire" : "system"
    var figure = try times(of: program, contender, row)
    // Where no bar is in instructions, those of others are not worth their time.
    guard row.isCounted, kind == "quire" || row.instructionBar != nil else { return figure }
    var counts: [UInt64] = []
    for rounds in ["1", "3"] {
      let report = try output(
        contender, row, counter,
        [
          counter, "--tool=callgrind", "--callgrind-out-file=/dev/null", program, kind,
          row.name, rounds,
        ])
      counts.append(try NativeFigure.instructions(report: report))
    }
    figure.instructions = NativeFigure.share(
      counts[0], counts[1], operationCount: 2 * figure.operationCount)
    return figure
  }

  /// Whether no row misses its bar.
  public var isMet: Bool { lines.allSatisfy(\.isMet) }
}

extension NativeBench {
  /// An operation, and what Quire may take for it.
  public struct Row: Equatable, Sendable {
    public let name: String
    /// In tenths of an instruction.
    let instructionBar: UInt64?
    /// In hundredths of a nanosecond, of the fastest round; for `resident` in thousandths.
    let timeBar: UInt64?
    let roundCount: Int
    /// Whether instructions are counted; not where two threads wait for each other.
    var isCounted = true

    init(
      _ name: String, instructions: UInt64? = nil, nanoseconds: UInt64? = nil,
      roundCount: Int = 100
    ) {
      self.name = name
      instructionBar = instructions.map { $0 * 10 }
      timeBar = nanoseconds.map { $0 * 100 }
      self.roundCount = roundCount
    }

    /// A row that is not counted, with its bar as the program prints it.
    init(_ name: String, uncounted bar: UInt64, roundCount: Int) {
      self.name = name
      instructionBar = nil
      timeBar = bar
      self.roundCount = roundCount
      isCounted = false
    }
  }

  /// The rows of `nativebench`, in its order.
  public static var rows: [Row] {
    [
      Row("order-0", instructions: 150, nanoseconds: 25),
      Row("churn-90", nanoseconds: 100, roundCount: 40),
      Row("order-9", nanoseconds: 59, roundCount: 40),
      Row("bytes-64", instructions: 80),
      Row("objects-10000", instructions: 100),
      Row("mixed", instructions: 130),
      Row("remote-free", uncounted: 60_00, roundCount: 200),
      Row("resident", uncounted: 1_140, roundCount: 4),
    ]
  }
}

extension NativeBench.Line {
  /// Where Quire takes more than the bar.
  var isMet: Bool {
    let own = figures[0]
    let isFast = row.timeBar.map { own.minimum <= $0 } ?? true
    return isFast && (row.instructionBar.map { (own.instructions ?? .max) <= $0 } ?? true)
  }
}
