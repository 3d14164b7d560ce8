// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import HostTool
import MemoryUnits

/// `quire run`: the options of the contract that are built.
struct RunCommand: ParsableCommand {
  static var configuration: CommandConfiguration {
    CommandConfiguration(
      commandName: "run",
      abstract: "Boots a machine and runs a Linux program in it.",
      usage: "quire run [OPTION]... [--] PROGRAM [ARG]...")
  }

  @Option(help: ArgumentHelp("RAM of the machine: 64K, 256M, 2G.", valueName: "SIZE"))
  var memory: SizeArgument = SizeArgument(ByteCount(256 << 20))
  @Option(
    help: ArgumentHelp(
      "Add a file, or a folder with all that is in it. Repeatable.", valueName: "HOST[:GUEST]"))
  var file: [String] = []
  @Option(help: ArgumentHelp("Set a variable of the program. Repeatable.", valueName: "NAME=VALUE"))
  var env: [String] = []
  @Option(
    help: ArgumentHelp("The program's folder. (default: this one if packed)", valueName: "DIR"))
  var workdir: String?
  @Option(help: ArgumentHelp("The program's user.", valueName: "UID"))
  var user: UInt32 = 0
  @Option(help: ArgumentHelp("Seeds all randomness; 0: nothing is random.", valueName: "N"))
  var seed: UInt64 = 0
  @Option(
    help: ArgumentHelp(
      "The kernel's command line: audit checks the memory at the end of every process.",
      valueName: "WORDS"))
  var boot: String = ""
  @Option(help: "The device model that virtual time uses.")
  var diskModel: DiskModel = .ssd
  @Option(help: ArgumentHelp("Limit of the host's time: 30s, 500ms, 2m.", valueName: "DURATION"))
  var timeout: DurationArgument?
  @Option(help: ArgumentHelp("Write the summary as JSON.", valueName: "FILE"))
  var json: String?
  @Option(help: ArgumentHelp("Write the events as JSON Lines.", valueName: "FILE"))
  var events: String?
  @Option(help: ArgumentHelp("Write the events as they are, 32 bytes each.", valueName: "FILE"))
  var log: String?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Options for QEMU, after all others.", valueName: "STRING"))
  var qemuOpts: String?
  @Option(help: "The accelerator.")
  var accel: Accelerator = .tcg
  @Option(help: ArgumentHelp("CPUs of the machine; 1.", valueName: "N"))
  var cpus: UInt32 = 1
  @Flag(help: "Hand over input as it comes.")
  var interactive = false
  @Flag(help: "No summary.")
  var quiet = false
  @Flag(help: "Also the kernel's log.")
  var verbose = false
  @Flag(help: "Print the QEMU command and end.")
  var dryRun = false
  @Argument(
    parsing: .captureForPassthrough,
    help: ArgumentHelp("The program and its arguments.", valueName: "PROGRAM"))
  var program: [String] = []

  mutating func run() throws {
    let status = try MachineRun.run(try options(), host: .current)
    throw ExitCode(status)
  }

  /// What was asked for, checked as far as the words themselves go.
  private func options() throws -> MachineOptions {
    var options = MachineOptions()
    options.program = try programWords()
    options.memory = memory.bytes
    options.environment = env
    options.workingFolder = workdir
    options.user = user
    options.files = try file.map(Self.pair)
    options.seed = seed
    options.bootWords = try bootWords()
    options.diskModel = diskModel.rawValue
    options.timeout = timeout
    options.json = json
    options.events = events
    options.log = log
    options.isInteractive = interactive
    options.isQuiet = quiet
    options.isVerbose = verbose
    options.isDryRun = dryRun
    options.emulatorOptions =
      (qemuOpts ?? "").split { $0 == " " || $0 == "\t" || $0 == "\n" }.map(String.init)
    if cpus != 1 {
      throw ToolFailure(.failed, "a machine of \(cpus) CPUs cannot be built yet", "use --cpus 1")
    }
    if accel == .kvm {
      throw ToolFailure(
        .failed, "virtual time is counted by the emulator, not by KVM yet", "use --accel tcg")
    }
    return options
  }

  private func bootWords() throws -> [String] {
    let words = boot.split(separator: " ").map(String.init)
    if let unknown = words.first(where: { $0 != "audit" }) {
      throw ToolFailure(.usage, "unknown boot word \(unknown)", "see ./quire help run")
    }
    return words
  }

  private func programWords() throws -> [String] {
    var words = program[...]
    if words.first == "--" {
      words = words.dropFirst()
    } else if let first = words.first, first.hasPrefix("-"), first != "-" {
      if first == "--help" || first == "-h" { throw CleanExit.helpRequest(self) }
      throw ToolFailure(.usage, "unknown option \(first)", "see ./quire help run")
    }
    guard !words.isEmpty else {
      throw ToolFailure(.usage, "no program is given", "write quire run -- PROGRAM")
    }
    return Array(words)
  }

  /// `HOST[:GUEST]`, where GUEST begins with a slash.
  private static func pair(_ text: String) throws -> (host: String, guest: String?) {
    guard let place = text.firstRange(of: ":/") else {
      if text.isEmpty { throw ToolFailure(.usage, "--file is empty", "name a file") }
      return (text, nil)
    }
    let host = String(text[..<place.lowerBound])
    if host.isEmpty { throw ToolFailure(.usage, "--file \(text) names no file", "name a file") }
    return (host, String(text[text.index(after: place.lowerBound)...]))
  }
}

enum DiskModel: String, ExpressibleByArgument, CaseIterable { case ssd, hdd, nvme }

enum Accelerator: String, ExpressibleByArgument, CaseIterable { case tcg, kvm }

extension SizeArgument: ExpressibleByArgument {
  public var defaultValueDescription: String { description }
}

extension DurationArgument: ExpressibleByArgument {}
