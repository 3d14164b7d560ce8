// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import HostTool

struct GuestBenchTests {
  @Test func `a table has a line for each row, with its bar`() throws {
    let bench = try GuestBench(output: "calibration 2000001 0 getppid 158 0 demand-zero 1801 7")
    #expect(bench.calibration == 2_000_001)
    #expect(bench.figures.map(\.isMet) == [true, false])
    #expect(!bench.isMet)
    #expect(bench.lines[2] == "getppid        158       0    331    250  met")
    #expect(bench.lines[3] == "demand-zero  1,801       7  2,730  1,800  missed")
    #expect(bench.lines.last == "1 met, 1 missed")
    #expect(
      bench.json.contains(
        "{\"name\": \"getppid\", \"quire\": 158, \"spread\": 0, \"linux_recorded\": 331,"
          + " \"must\": 250, \"met\": true}"))
  }

  @Test(arguments: [
    "", "calibration 2000001 0 getppid", "calibration 2000001 0 getppid x 0",
    "calibration 2000001 0 other 1 0", "calibration 4000000 0 getppid 1 0",
  ])
  func `what is no table is refused`(output: String) {
    #expect(throws: ToolFailure.self) { try GuestBench(output: output) }
  }

  @Test func `a row that nobody knows is refused before anything runs`() {
    #expect(throws: ToolFailure.self) {
      try GuestBench(rows: ["bogus"], host: HostEnvironment(variables: [:]))
    }
  }
}
