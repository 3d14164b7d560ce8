// SPDX-License-Identifier: Apache-2.0

import CHostSystem

/// The instructions that memory operations take in a machine with Quire and in one with Debian's
/// Linux, as one program counts them on both (`Tests/bench/guest.c`).
///
/// Context: as `MachineRun`.
public struct GuestBench {
  /// A kernel that Quire is compared with.
  struct Peer {
    let name: String
    let figures: GuestFigures
  }

  let quire: GuestFigures
  /// The first is the one to beat.
  let peers: [Peer]
  /// What kernels leave to programs; nil where only some rows were asked for.
  let machines: GuestMachines?

  /// Measures the named rows, or all of them, in one run, and Linux unless it was measured before.
  ///
  /// - Parameters:
  ///   - names: rows, those of pages perhaps as `ROW:PAGES:ORDER`.
  ///   - isAlone: whether Linux and machines of other sizes are left out.
  public init(
    rows names: [String], isAlone: Bool = false, host: HostEnvironment
  ) throws(ToolFailure) {
    for name in names where !Self.isRow(name) {
      throw ToolFailure(.usage, "there is no row \(name)", "see ./quire bench guest --help")
    }
    guard let program = host.variables["QUIRE_GUEST_BENCH"] else {
      throw ToolFailure(
        .failed, "the program that measures is missing", "start the tool as ./quire")
    }
    let all = Self.rows.map(\.name)
    let quire = try Self.figures(
      of: program, rows: names.isEmpty ? all + Self.others : names, memory: "256M", host: host)
    var peers: [Peer] = []
    for (place, image) in (isAlone ? [] : LinuxPeer.images(host)).enumerated() {
      let settings: [LinuxPeer.Setting] = place == 0 ? [.lean, .shipped] : [.lean]
      for setting in settings {
        let peer = LinuxPeer(image: image, setting: setting)
        // All rows, so that one boot is good for every choice.
        let output = try peer.output(of: program, rows: all, memory: "256M", host: host)
        do throws(ToolFailure) {
          peers.append(Peer(name: peer.name, figures: try GuestFigures(linux: output)))
        } catch {
          // The later ones are for information.
          if place == 0 { throw error }
          printToStandardError("quire: \(peer.name) is left out: \(error.what)")
        }
      }
    }
    if let peer = try Self.narrowPeer(rows: all, host: isAlone ? nil : host) {
      peers.append(peer)
    }
    let machines = names.isEmpty && !isAlone ? try GuestMachines(program: program, host: host) : nil
    self.init(quire: quire, peers: peers, machines: machines)
  }

  /// The same program compiled for 32 bits, on the first Linux: for information.
  private static func narrowPeer(
    rows: [String], host: HostEnvironment?
  ) throws(ToolFailure) -> Peer? {
    guard let host, let program = host.variables["QUIRE_GUEST_BENCH_32"], !program.isEmpty,
      let image = LinuxPeer.images(host).first
    else { return nil }
    let peer = LinuxPeer(image: image, setting: .lean)
    let output = try peer.output(of: program, rows: rows, memory: "256M", host: host)
    do throws(ToolFailure) {
      let figures = try GuestFigures(linux: output)
      return Peer(name: "\(peer.name), the program of 32 bits", figures: figures)
    } catch {
      printToStandardError("quire: the program of 32 bits is left out: \(error.what)")
      return nil
    }
  }

  init(quire: GuestFigures, peers: [Peer], machines: GuestMachines?) {
    self.quire = quire
    self.peers = peers
    self.machines = machines
  }

  /// What the program says on Quire, with the log on, in a machine of so much RAM.
  static func figures(
    of program: String, rows: [String], memory: String, host: HostEnvironment
  ) throws(ToolFailure) -> GuestFigures {
    // SAFETY: the name is terminated.
    let descriptor = unsafe make_memory_file("summary", 0)
    if descriptor < 0 { throw ToolFailure(.failed, HostError(-descriptor).text, "free memory") }
    let summary = HostFile(adopting: descriptor)
    let words =
      ["quire", "run", "--quiet", "--json", "/proc/self/fd/\(descriptor)", "--memory", memory]
      + ["--", program] + rows
    let environment = host.variables.map { "\($0.key)=\($0.value)" }.sorted()
    let result = try ChildProcess.run(
      "/proc/self/exe", words, environment: environment, kept: [descriptor])
    guard result.status == 0 else {
      throw ToolFailure(
        .failed, "the measuring program ended with status \(result.status): \(result.text)",
        "run it alone: ./quire run -- \(program)")
    }
    var figures = try GuestFigures(output: result.text, slack: 0)
    let text = String(
      decoding: (try? summary.bytes(at: 0, count: 1 << 16)) ?? [], as: UTF8.self)
    figures.startInstructions = text.firstRange(of: "\"start_instructions\": ").flatMap {
      UInt64(text[$0.upperBound...].prefix { $0.isNumber })
    }
    return figures
  }

  /// Whether no row misses its bar.
  public var isMet: Bool {
    lost.isEmpty && (machines?.measures.allSatisfy { $0.isMet != false } ?? true)
  }

  private var lost: [String] {
    Self.rows.filter { row in quire[row.name].map { $0.instructions > row.bar } ?? false }
      .map(\.name)
  }

  /// The table, for people.
  public var lines: [String] {
    var text = ["guest instructions: median of four rounds, and their spread"]
    text.append("a million turns of two: Quire \(grouped(quire.calibration))")
    for (place, peer) in peers.enumerated() {
      text.append("  [\(place + 1)] \(peer.name) \(grouped(peer.figures.calibration))")
    }
    var cells = [["operation", "Quire", "spread"]]
    for place in peers.indices { cells[0] += ["[\(place + 1)]", "spread"] }
    cells[0] += ["must", ""]
    for row in Self.rows {
      guard let own = quire[row.name] else { continue }
      var line = [row.name, grouped(own.instructions), grouped(own.spread)]
      for peer in peers {
        let figure = peer.figures[row.name]
        line.append(figure.map { grouped($0.instructions) } ?? "-")
        line.append(figure.map { grouped($0.spread) } ?? "-")
      }
      cells.append(line + [grouped(row.bar), own.instructions <= row.bar ? "met" : "missed"])
    }
    text += Self.table(cells)
    if let machines { text += [""] + Self.table(machines.cells) }
    let others = self.others
    if !others.isEmpty {
      text.append("")
      text += Self.table(
        [["pages:order", "Quire", "published", ""]]
          + others.map { other in
            let published = other.published == 0 ? "-" : grouped(other.published)
            return [other.name, grouped(other.instructions), published, ""]
          })
    }
    let missed = lost.count
    text.append("\(quire.rows.count - others.count - missed) rows met, \(missed) missed")
    return text
  }

  /// Rows of other sizes and orders, with the figure of the row that is published.
  private var others: [(name: String, row: String, instructions: UInt64, published: UInt64)] {
    quire.rows.filter { $0.name.contains(":") }.map { figure in
      let row = String(figure.name.prefix { $0 != ":" })
      return (figure.name, row, figure.instructions, quire[row]?.instructions ?? 0)
    }
  }

  /// Columns in line: the first and the last to the left, numbers to the right.
  private static func table(_ cells: [[String]]) -> [String] {
    let widths = cells[0].indices.map { column in cells.map { $0[column].count }.max() ?? 0 }
    return cells.map { row in
      row.enumerated().map { column, text in
        let blanks = String(repeating: " ", count: widths[column] - text.count)
        return column == 0 || column == row.count - 1 ? text + blanks : blanks + text
      }.joined(separator: "  ").trimmed
    }
  }

  /// The table, for programs: one JSON object, its numbers integers.
  var json: String {
    let rows = Self.rows.compactMap { row -> String? in
      guard let own = quire[row.name] else { return nil }
      let others = peers.map { peer in
        let figure = peer.figures[row.name]
        return "{\"instructions\": \(figure?.instructions ?? 0),"
          + " \"spread\": \(figure?.spread ?? 0)}"
      }
      return "    {\"name\": \(quoted(row.name)), \"quire\": \(own.instructions),"
        + " \"spread\": \(own.spread), \"peers\": [\(others.joined(separator: ", "))],"
        + " \"must\": \(row.bar), \"met\": \(own.instructions <= row.bar)}"
    }
    let others = self.others.map { figure in
      "    {\"name\": \(quoted(figure.name)), \"row\": \(quoted(figure.row)),"
        + " \"quire\": \(figure.instructions)}"
    }
    let names = peers.map { peer in
      "    {\"name\": \(quoted(peer.name)), \"calibration\": \(peer.figures.calibration)}"
    }
    return """
      {
        "schema": "quire-bench-guest",
        "version": 2,
        "calibration": \(quire.calibration),
        "peers": [
      \(names.joined(separator: ",\n"))
        ],
        "rows": [
      \(rows.joined(separator: ",\n"))
        ],
        "others": [
      \(others.joined(separator: ",\n"))
        ],
        "machines": [
      \((machines?.jsonLines ?? []).joined(separator: ",\n"))
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
  /// An operation, and what Quire may take for it.
  public struct Row: Equatable, Sendable {
    public let name: String
    let bar: UInt64

    init(_ name: String, _ bar: UInt64) {
      self.name = name
      self.bar = bar
    }
  }

  /// Rows of pages once more, with other numbers of pages and orders of touching them (upwards,
  /// downwards, scattered), to be compared with the row itself: nothing is made for one pattern.
  static var others: [String] {
    [
      "demand-zero:777:1", "demand-zero:3000:2", "zero-page-read:2000:2", "copy-on-write:600:2",
      "copy-on-write-reuse:1500:1", "munmap-page:3000:1", "munmap-page:500:2",
      "dontneed-page:2500:2", "populate-page:333:0", "mlock-untouched:500:0",
      "mlock-resident:3000:1", "mlock-resident:700:2", "munlock-page:2500:2",
    ]
  }

  /// The row of the machine of 128 MiB, since what it takes grows with the memory.
  static var memoryKill: String { "memory-kill" }

  /// The rows of pages, which take another number of them and an order.
  public static var pageRows: [String] {
    rows.prefix { $0.name != "mmap-munmap" }.map(\.name)
  }

  /// Whether a name is a row's, or one of pages with their number and an order, 0 to 2, behind.
  static func isRow(_ name: String) -> Bool {
    let parts = name.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    if parts.count == 1 { return rows.contains { $0.name == name } }
    guard parts.count == 3, pageRows.contains(parts[0]), let pages = Int(parts[1]) else {
      return false
    }
    return (2...16_384).contains(pages) && ["0", "1", "2"].contains(parts[2])
  }

  /// The rows of `Tests/bench/guest.c`, in its order.
  public static var rows: [Row] {
    [
      Row("demand-zero", 1_800),
      Row("zero-page-read", 800),
      Row("zero-page-write", 1_900),
      Row("copy-on-write", 2_000),
      Row("copy-on-write-reuse", 700),
      Row("munmap-page", 400),
      Row("dontneed-page", 400),
      Row("populate-page", 1_200),
      Row("mlock-untouched", 1_800),
      Row("mlock-resident", 300),
      Row("munlock-page", 200),
      Row("mmap-munmap", 3_500),
      Row("mmap-touch-munmap", 6_000),
      Row("mprotect-page", 3_000),
      Row("mprotect-1024", 60_000),
      Row("mmap-1000", 3_000),
      Row("munmap-1000", 3_000),
      Row("mremap-4096", 20_000),
      Row("brk", 1_200),
      Row("brk-touch", 3_000),
      Row("fork-small", 50_000),
      Row("fork-64m", 4_000_000),
      Row("getppid", 250),
    ]
  }
}
