// SPDX-License-Identifier: Apache-2.0

/// What a kernel leaves to programs, on Quire and on the first peer: free memory by size of the
/// machine, the smallest machine, what grows with RAM, and the way to a program's start.
struct GuestMachines {
  struct Measure: Equatable {
    let name: String
    let quire: UInt64
    /// nil where there is no peer, or where it cannot.
    let linux: UInt64?
    let bar: UInt64?
    /// Whether the figure should be at least the bar, rather than at most.
    let wantsMore: Bool

    var isMet: Bool? { bar.map { wantsMore ? quire >= $0 : quire <= $0 } }
  }

  let measures: [Measure]

  init(measures: [Measure]) { self.measures = measures }

  /// Runs the program in machines of several sizes; Linux's answers are kept.
  init(program: String, host: HostEnvironment) throws(ToolFailure) {
    let rows = { (memory: Int) in memory == 128 ? [GuestBench.memoryKill] : ["getppid"] }
    let own = { (memory: Int) throws(ToolFailure) in
      try GuestBench.figures(of: program, rows: rows(memory), memory: "\(memory)M", host: host)
    }
    let peer = LinuxPeer.images(host).first.map { LinuxPeer(image: $0, setting: .lean) }
    let other = { (memory: Int) throws(ToolFailure) -> GuestFigures? in
      guard let peer else { return nil }
      let text = try peer.output(
        of: program, rows: rows(memory), memory: "\(memory)M", host: host)
      return try? GuestFigures(linux: text)
    }
    var measures: [Measure] = []
    var figures: [Int: (quire: GuestFigures, linux: GuestFigures?)] = [:]
    for memory in [64, 128, 512] {
      let pair = (quire: try own(memory), linux: try other(memory))
      figures[memory] = pair
      measures.append(
        Measure(
          name: "free at \(memory) MiB, KiB", quire: pair.quire.memoryFree,
          linux: pair.linux?.memoryFree, bar: memory == 128 ? 110_000 : nil, wantsMore: true))
    }
    if let small = figures[128], let large = figures[512] {
      measures.append(
        Measure(
          name: "metadata per RAM, 1/10,000", quire: Self.share(small.quire, large.quire),
          linux: Self.share(small.linux, large.linux), bar: 100, wantsMore: false))
      measures.append(
        Measure(
          name: "instructions to a program's first",
          quire: small.quire.startInstructions ?? .max,
          linux: try peer?.startInstructions(to: program, memory: "128M", host: host),
          bar: 300_000_000, wantsMore: false))
      measures.append(
        Measure(
          name: "instructions of a kill for memory, 128 MiB",
          quire: small.quire[GuestBench.memoryKill]?.instructions ?? .max,
          linux: small.linux?[GuestBench.memoryKill]?.instructions, bar: 8_000_000,
          wantsMore: false))
    }
    measures.append(
      Measure(
        name: "smallest machine, MiB", quire: Self.first([2, 3, 4, 8, 16, 32, 64], own) ?? 0,
        linux: Self.first([32, 48, 64, 80, 96, 112, 128], other), bar: 32, wantsMore: false))
    self.measures = measures
  }

  /// Of the RAM that the larger machine has more, what the kernel keeps, in 1/10,000.
  private static func share(_ small: GuestFigures, _ large: GuestFigures) -> UInt64 {
    let more: UInt64 = (512 - 128) << 10
    let given = large.memoryTotal - small.memoryTotal
    return (more - min(more, given)) * 10_000 / more
  }

  private static func share(_ small: GuestFigures?, _ large: GuestFigures?) -> UInt64? {
    guard let small, let large else { return nil }
    return share(small, large)
  }

  private static func first(
    _ sizes: [Int], _ run: (Int) throws(ToolFailure) -> GuestFigures?
  ) -> UInt64? {
    sizes.first { size in (try? run(size)) != nil }.map(UInt64.init)
  }

  /// Heads and lines of a table.
  var cells: [[String]] {
    [["machine", "Quire", "Linux", "must", ""]]
      + measures.map { measure in
        [
          measure.name, grouped(measure.quire), measure.linux.map(grouped) ?? "-",
          measure.bar.map(grouped) ?? "-",
          measure.isMet.map { $0 ? "met" : "missed" } ?? "",
        ]
      }
  }

  var jsonLines: [String] {
    measures.map { measure in
      "    {\"name\": \(quoted(measure.name)), \"quire\": \(measure.quire),"
        + " \"linux\": \(measure.linux.map(String.init) ?? "null"),"
        + " \"must\": \(measure.bar.map(String.init) ?? "null"),"
        + " \"met\": \(measure.isMet.map(String.init) ?? "null")}"
    }
  }
}

extension GuestFigures {
  /// Linux's timer ticks whether or not anybody waits: a tick or two fall into the calibration.
  ///
  /// What QEMU says at the end of a machine that hangs is left out.
  init(linux output: String) throws(ToolFailure) {
    let end = output.firstRange(of: "qemu-system")?.lowerBound ?? output.endIndex
    try self.init(output: String(output[..<end]), slack: 40_000)
  }
}
