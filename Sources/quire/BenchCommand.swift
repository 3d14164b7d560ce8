// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import HostTool

/// `quire bench`: figures, to be compared with those of others.
struct BenchCommand: ParsableCommand {
  static var configuration: CommandConfiguration {
    CommandConfiguration(
      commandName: "bench", abstract: "Measures what memory operations cost.",
      subcommands: [BenchGuestCommand.self, BenchNativeCommand.self])
  }

  mutating func run() throws {
    throw ToolFailure(.usage, "nothing to measure is named",
      "write quire bench guest or quire bench native")
  }
}

/// `quire bench guest`: instructions of a program's memory operations.
struct BenchGuestCommand: ParsableCommand {
  static var configuration: CommandConfiguration {
    CommandConfiguration(
      commandName: "guest",
      abstract: "Measures memory operations in guest instructions, on Quire and on Linux.",
      discussion: """
        One static program runs on Quire, its log on, and as the first process of Debian's Linux \
        under the same emulator: as fast as it can be set (lean), and as it is shipped. Each \
        figure is the median of rounds in one run; two runs give the same figures. Linux's \
        kernels are fetched into the cache, and what they measured is kept there. The status is \
        1 if a row misses its bar.

        Rows: \(GuestBench.rows.map(\.name).joined(separator: " "))

        With another number of pages, touched upwards (0), downwards (1) or scattered (2), as \
        demand-zero:3000:2: \(GuestBench.pageRows.joined(separator: " "))
        """)
  }

  @Option(
    help: ArgumentHelp(
      "Only these, with commas between them.", valueName: "ROW|ROW:PAGES:ORDER,..."))
  var rows: String?
  @Flag(name: .customLong("without-linux"), help: "Measure Quire alone, and fetch nothing.")
  var isAlone = false
  @Option(help: ArgumentHelp("Write the table as JSON.", valueName: "FILE"))
  var json: String?

  mutating func run() throws {
    let names = rows.map { $0.split(separator: ",").map(String.init) } ?? []
    let bench = try GuestBench(rows: names, isAlone: isAlone, host: .current)
    for line in bench.lines { printToStandardOutput(line) }
    if let json { try bench.write(to: json) }
    if !bench.isMet { throw ExitCode(1) }
  }
}

/// `quire bench native`: the allocators alone, on the host's processor.
struct BenchNativeCommand: ParsableCommand {
  static var configuration: CommandConfiguration {
    CommandConfiguration(
      commandName: "native",
      abstract: "Measures the page allocator and the object heap, beside Debian's allocators.",
      discussion: """
        The allocators are compiled as for the kernel's image, but into a process of the host. \
        Instructions are callgrind's; nanoseconds are those of the fastest round and of the one \
        in the middle. The status is 1 if a row misses its bar.

        Rows: \(NativeBench.rows.map(\.name).joined(separator: " "))
        """)
  }

  @Option(help: ArgumentHelp("Only these, with commas between them.", valueName: "NAME,..."))
  var rows: String?
  @Option(help: ArgumentHelp("Write the table as JSON.", valueName: "FILE"))
  var json: String?

  mutating func run() throws {
    let names = rows.map { $0.split(separator: ",").map(String.init) } ?? []
    let bench = try NativeBench(rows: names, host: .current)
    for line in bench.text { printToStandardOutput(line) }
    if let json { try bench.write(to: json) }
    if !bench.isMet { throw ExitCode(1) }
  }
}
