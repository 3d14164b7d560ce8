// SPDX-License-Identifier: Apache-2.0

extension NativeBench {
  /// The table, for people.
  public var text: [String] {
    var cells = [["operation", "figure", "Quire"] + contenders.map(\.name) + ["must", ""]]
    for line in lines {
      let (row, verdict) = (line.row, line.isMet ? "met" : "missed")
      let isShare = row.name == "resident"
      if row.isCounted {
        cells.append(
          [row.name, "instructions"] + line.figures.map { Self.decimal($0.instructions, 1) }
            + [Self.decimal(row.instructionBar, 1), row.timeBar == nil ? verdict : ""])
      }
      let bar = Self.decimal(row.timeBar, isShare ? 3 : 2)
      let minima = line.figures.map { Self.decimal($0.minimum, isShare ? 3 : 2) }
      cells.append(
        [row.name, isShare ? "resident / requested" : "ns, minimum"]
          + minima + [bar, row.timeBar == nil ? "" : verdict])
      if isShare { continue }
      cells.append(
        [row.name, "ns, median"] + line.figures.map { Self.decimal($0.median, 2) } + ["", ""])
    }
    let missed = lines.filter { !$0.isMet }.count
    return Self.aligned(cells) + ["\(lines.count - missed) rows met, \(missed) missed"]
  }

  /// A number of tenths, hundredths or thousandths.
  static func decimal(_ number: UInt64?, _ places: Int) -> String {
    guard let number else { return "-" }
    var unit: UInt64 = 1
    for _ in 0..<places { unit *= 10 }
    let rest = String(number % unit)
    return grouped(number / unit) + "."
      + String(repeating: "0", count: places - rest.count) + rest
  }

  /// Columns in line: names to the left, numbers to the right.
  private static func aligned(_ cells: [[String]]) -> [String] {
    let widths = cells[0].indices.map { column in cells.map { $0[column].count }.max() ?? 0 }
    return cells.map { row in
      row.enumerated().map { column, text in
        let blanks = String(repeating: " ", count: widths[column] - text.count)
        return column < 2 || column == row.count - 1 ? text + blanks : blanks + text
      }.joined(separator: "  ").trimmed
    }
  }

  /// The table, for programs: one JSON object. Instructions are in tenths, nanoseconds in
  /// hundredths, and `resident` in thousandths, so that all numbers are integers.
  var json: String {
    let rows = lines.map { line in
      let figures = line.figures.enumerated().map { place, figure in
        let name = place == 0 ? "quire" : contenders[place - 1].name
        return "{\"name\": \(quoted(name)), \"instructions\": \(Self.number(figure.instructions)),"
          + " \"minimum\": \(figure.minimum), \"median\": \(figure.median)}"
      }
      return "    {\"name\": \(quoted(line.row.name)), \"figures\": ["
        + figures.joined(separator: ", ")
        + "], \"mustInstructions\": \(Self.number(line.row.instructionBar)),"
        + " \"mustMinimum\": \(Self.number(line.row.timeBar)), \"met\": \(line.isMet)}"
    }
    return """
      {
        "schema": "quire-bench-native",
        "version": 1,
        "rows": [
      \(rows.joined(separator: ",\n"))
        ]
      }

      """
  }

  private static func number(_ number: UInt64?) -> String { number.map { "\($0)" } ?? "null" }

  /// Writes the table for programs.
  public func write(to path: String) throws(ToolFailure) {
    try attempting(path, "name a file that can be written") { () throws(HostError) in
      try HostFile.write(Array(json.utf8), to: path)
    }
  }
}
