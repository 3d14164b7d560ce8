// SPDX-License-Identifier: Apache-2.0

/// What `nativebench` says of one row and one allocator.
struct NativeFigure: Equatable {
  /// Hundredths of nanoseconds an operation takes, in the fastest round and in the middle one;
  /// for `resident` thousandths of what was asked for.
  private(set) var minimum: UInt64
  private(set) var median: UInt64
  /// What an operation takes, in tenths; nil where they were not counted.
  var instructions: UInt64?
  let operationCount: UInt64

  /// - Parameter output: a row's name and three numbers.
  init(output: String, row: String) throws(ToolFailure) {
    let words = output.split(separator: " ")
    guard words.count == 4, words[0] == row, let minimum = UInt64(words[1]),
      let median = UInt64(words[2]), let count = UInt64(words[3]), count > 0
    else {
      throw ToolFailure(
        .failed, "the measuring program wrote something else than a figure: \(output)",
        "report it")
    }
    self.minimum = minimum
    self.median = median
    operationCount = count
  }

  /// Takes over times that are better; instructions stay.
  mutating func keepBest(of other: NativeFigure) {
    minimum = min(minimum, other.minimum)
    median = min(median, other.median)
  }

  /// The instructions that callgrind counted over a whole run.
  static func instructions(report: String) throws(ToolFailure) -> UInt64 {
    let words = report.split(separator: " ")
    guard let place = words.firstIndex(of: "Collected"), place + 2 < words.count,
      let count = UInt64(words[place + 2])
    else {
      throw ToolFailure(
        .failed, "instructions were not counted: \(report)", "start the tool as ./quire")
    }
    return count
  }

  /// Tenths of an instruction an operation takes, by two runs of which one had more rounds.
  static func share(_ few: UInt64, _ many: UInt64, operationCount: UInt64) -> UInt64 {
    many > few ? (many - few) * 10 / operationCount : 0
  }
}
