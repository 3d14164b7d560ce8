// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import HostTool

struct NativeBenchTests {
  private func line(
    _ row: String, _ output: String, instructions: UInt64? = nil
  ) throws -> NativeBench.Line {
    let found = try #require(NativeBench.rows.first { $0.name == row })
    var figure = try NativeFigure(output: "\(row) \(output)", row: row)
    figure.instructions = instructions
    return NativeBench.Line(row: found, figures: [figure, figure])
  }

  @Test func `a row says what every allocator took and whether Quire kept its bar`() throws {
    let bench = NativeBench(
      contenders: [.init(name: "glibc", library: "")],
      lines: [
        try line("order-0", "1586 1600 10000", instructions: 1501),
        try line("bytes-64", "705 710 10000", instructions: 800),
        try line("resident", "1124 1124 1"),
      ])
    #expect(!bench.isMet)
    let text = bench.text
    #expect(text[1].hasPrefix("order-0    instructions"))
    #expect(text[2].hasSuffix("15.86  15.86  25.00  missed"))
    #expect(text[4].hasSuffix("80.0   80.0   80.0  met"))
    #expect(text[7].hasSuffix("1.124  1.124  1.140  met"))
    #expect(text.last == "2 rows met, 1 missed")
    #expect(
      bench.json.contains(
        "{\"name\": \"quire\", \"instructions\": 1501, \"minimum\": 1586, \"median\": 1600}"))
    #expect(
      bench.json.contains("\"mustInstructions\": 1500, \"mustMinimum\": 2500, \"met\": false"))
  }

  @Test func `instructions are the difference of two runs`() throws {
    let report = "==7== Events : Ir ==7== Collected : 3654321 ==7== "
    #expect(try NativeFigure.instructions(report: report) == 3_654_321)
    #expect(NativeFigure.share(1_000_000, 3_842_000, operationCount: 20_000) == 1421)
    #expect(throws: ToolFailure.self) { try NativeFigure.instructions(report: "nothing") }
  }

  @Test(arguments: ["", "1 2", "x 2 3", "1 2 0"])
  func `what is no figure is refused`(output: String) {
    #expect(throws: ToolFailure.self) {
      try NativeFigure(output: "mixed \(output)", row: "mixed")
    }
    #expect(throws: ToolFailure.self) { try NativeFigure(output: "other 1 2 3", row: "mixed") }
  }

  @Test func `allocators are what the launcher found, after the system's own`() {
    let host = HostEnvironment(variables: ["QUIRE_ALLOCATORS": "jemalloc=/lib/a.so:odd:b=/c"])
    #expect(NativeBench.contenders(host).map(\.name) == ["glibc", "jemalloc", "b"])
    #expect(throws: ToolFailure.self) { try NativeBench(rows: ["bogus"], host: host) }
  }
}
