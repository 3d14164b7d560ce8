// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import HostTool

struct GuestBenchTests {
  private let facts = "boot 1700000 0 memory-total 129136 0 memory-free 128732 0"

  private func figures(_ rows: String, calibration: Int = 2_000_001) throws -> GuestFigures {
    try GuestFigures(output: "\(facts) calibration \(calibration) 0 \(rows)", slack: 0)
  }

  @Test func `a table has a line for each row, with every peer and its bar`() throws {
    let peer = GuestBench.Peer(
      name: "Linux 6.1.0-1-amd64, lean",
      figures: try figures("getppid 331 0 demand-zero 2878 10"))
    let bench = GuestBench(
      quire: try figures("getppid 158 0 demand-zero 1801 7"), peers: [peer],
      machines: GuestMachines(measures: [
        GuestMachines.Measure(
          name: "free at 128 MiB, KiB", quire: 128_732, linux: 57_168, bar: 110_000,
          wantsMore: true)
      ]))
    #expect(!bench.isMet)
    let lines = bench.lines
    #expect(lines.contains("  [1] Linux 6.1.0-1-amd64, lean 2,000,001"))
    #expect(lines.contains("demand-zero  1,801       7  2,878      10  1,800  missed"))
    #expect(lines.contains("getppid        158       0    331       0    250  met"))
    #expect(lines.contains("free at 128 MiB, KiB  128,732  57,168  110,000  met"))
    #expect(lines.last == "1 rows met, 1 missed")
    #expect(
      bench.json.contains(
        "{\"name\": \"getppid\", \"quire\": 158, \"spread\": 0, \"peers\":"
          + " [{\"instructions\": 331, \"spread\": 0}], \"must\": 250, \"met\": true}"))
  }

  @Test func `Linux may tick while it is calibrated, Quire may not`() throws {
    let output = "\(facts) calibration 2004350 9233 getppid 331 0"
    #expect(try GuestFigures(linux: output).calibration == 2_004_350)
    #expect(throws: ToolFailure.self) { try GuestFigures(output: output, slack: 0) }
  }

  @Test(arguments: [
    "", "getppid", "getppid x 0", "other 1 0",
  ])
  func `what is no table is refused`(rows: String) {
    #expect(throws: ToolFailure.self) {
      try GuestFigures(output: rows.isEmpty ? "" : "\(facts) \(rows)", slack: 0)
    }
    #expect(throws: ToolFailure.self) { try figures("getppid 1 0", calibration: 4_000_000) }
  }

  @Test func `a row that nobody knows is refused before anything runs`() {
    #expect(throws: ToolFailure.self) {
      try GuestBench(rows: ["bogus"], host: HostEnvironment(variables: [:]))
    }
  }

  @Test func `rows of pages take their number and an order, the others neither`() {
    for name in ["demand-zero", "munmap-page:3000:1", "populate-page:2:0", "getppid"] {
      #expect(GuestBench.isRow(name), "\(name)")
    }
    for name in [
      "", "bogus", "bogus:3:1", "getppid:3:1", "demand-zero:", "demand-zero:3", "demand-zero:3:3",
      "demand-zero:1:0", "demand-zero:x:0", "demand-zero:99999:0", "demand-zero:3:1:1",
    ] {
      #expect(!GuestBench.isRow(name), "\(name)")
    }
    #expect(GuestBench.others.allSatisfy(GuestBench.isRow))
  }

  @Test func `a kernel's release is what its image is named after`() {
    let peer = LinuxPeer(image: "/cache/linux/6.1/vmlinuz-6.1.0-56-amd64", setting: .shipped)
    #expect(peer.name == "Linux 6.1.0-56-amd64, shipped")
  }

  @Test func `a kernel's entry is in its note of Xen's, behind whatever notes there are`() {
    let other: [UInt8] = [4, 0, 0, 0, 5, 0, 0, 0, 18, 0, 0, 0] + Array("GNU\0".utf8)
      + [1, 2, 3, 4, 5, 0, 0, 0]
    let own: [UInt8] = [4, 0, 0, 0, 8, 0, 0, 0, 18, 0, 0, 0] + Array("Xen\0".utf8)
      + [0x50, 8, 0, 1, 0, 0, 0, 0]
    #expect(LinuxPeer.entry(inNotes: other + own) == 0x100_0850)
    #expect(LinuxPeer.entry(inNotes: other) == nil)
    #expect(LinuxPeer.entry(inNotes: Array((other + own).dropLast())) == nil)
    #expect(LinuxPeer.entry(inNotes: []) == nil)
  }

  @Test func `the archive has entries of whole words, the program as init`() {
    let bytes = RAMArchive(program: [1, 2, 3]).bytes
    #expect(bytes.count % 4 == 0)
    let text = String(decoding: bytes, as: UTF8.self)
    #expect(text.hasPrefix("070701"))
    let names = text.split(separator: "\0").filter { $0.contains("init") || $0.contains("console") }
    #expect(names.count == 2)
    #expect(text.contains("TRAILER!!!"))
  }
}
