// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import HostTool
import MemoryUnits

/// The options of a machine, which `run` and `shell` share: the contract's table.
struct MachineArguments: ParsableArguments {
  @Option(help: ArgumentHelp("RAM of the machine: 64K, 256M, 2G.", valueName: "SIZE"))
  var memory: SizeArgument = SizeArgument(ByteCount(256 << 20))
  @Option(
    help: ArgumentHelp(
      "A swap disk, fresh or an image. Repeatable. (not built yet)",
      valueName: "SIZE|FILE[:PRIORITY]"))
  var swap: [SwapArgument] = []
  @Option(
    help: ArgumentHelp("A scratch disk, read-write, at /var/scratch.", valueName: "SIZE"))
  var disk: SizeArgument = SizeArgument(MachineOptions().disk)
  @Option(help: "The machine's architecture. (i686 is not built yet)")
  var arch: Architecture = .x86_64
  @Option(
    help: ArgumentHelp(
      "The whole root. (default: packed from the host)", valueName: "DIR|TAR|IMAGE"))
  var root: String?
  @Option(
    help: ArgumentHelp(
      "Add a file, or a folder with all that is in it. Repeatable.", valueName: "HOST[:GUEST]"))
  var file: [String] = []
  @Option(
    help: ArgumentHelp(
      "Copy a file or folder out when the program ends. Repeatable.", valueName: "GUEST[:HOST]"))
  var save: [SaveArgument] = []
  @Option(help: ArgumentHelp("Set a variable of the program. Repeatable.", valueName: "NAME=VALUE"))
  var env: [String] = []
  @Option(
    help: ArgumentHelp(
      "The program's folder. (default: this one if packed, else /var/scratch)", valueName: "DIR"))
  var workdir: String?
  @Option(help: ArgumentHelp("The program's user.", valueName: "UID"))
  var user: UInt32 = 0
  @Option(
    help: ArgumentHelp(
      "Memory to be had in a row, lent meanwhile. Repeatable.", valueName: "SIZE[@BASE[-LIMIT]]"))
  var cma: [ContiguousAreaArgument] = []
  @Option(
    help: ArgumentHelp(
      "A sysctl by Linux's name: vm.max_map_count=100. Repeatable.", valueName: "NAME=VALUE"))
  var set: [String] = []
  @Option(help: ArgumentHelp("Seeds all randomness; 0: nothing is random.", valueName: "N"))
  var seed: UInt64 = 0
  @Option(
    help: ArgumentHelp(
      """
      The kernel's command line: audit checks the memory at the end of every process; clock=host \
      begins at the host's time.
      """,
      valueName: "WORDS"))
  var boot: String = ""
  @Option(help: "The device model that virtual time uses.")
  var diskModel: DiskModel = .ssd
  @Option(help: ArgumentHelp("Limit of the host's time: 30s, 500ms, 2m.", valueName: "DURATION"))
  var timeout: DurationArgument?
  @Option(help: ArgumentHelp("Write the summary as JSON.", valueName: "FILE"))
  var json: String?
  @Option(
    help: ArgumentHelp("Keep the whole run, which replay runs again.", valueName: "DIR"))
  var record: String?
  @Option(help: ArgumentHelp("Write the events as JSON Lines.", valueName: "FILE"))
  var events: String?
  @Option(help: ArgumentHelp("Write the events as they are, 32 bytes each.", valueName: "FILE"))
  var log: String?
  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Options for QEMU, after all others.", valueName: "STRING"))
  var qemuOpts: String?
  @Option(help: "The accelerator. (kvm is not built yet)")
  var accel: Accelerator = .tcg
  @Option(help: ArgumentHelp("CPUs of the machine; 1.", valueName: "N"))
  var cpus: UInt32 = 1
  @Flag(help: "Hand over input as it comes. (on by itself on a terminal)")
  var interactive = false
  @Flag(help: "No summary.")
  var quiet = false
  @Flag(help: "Also the kernel's log.")
  var verbose = false
  @Flag(help: "Print the QEMU command and end.")
  var dryRun = false

  /// What was asked for, checked as far as the words themselves go.
  func options(program: [String]) throws -> MachineOptions {
    var options = MachineOptions()
    options.program = program
    options.memory = memory.bytes
    options.swap = swap
    options.disk = disk.bytes
    options.architecture = arch.rawValue
    options.root = root
    options.files = try file.map(Self.pair)
    options.saves = save
    options.environment = env
    options.workingFolder = workdir
    options.user = user
    options.contiguousAreas = cma
    options.settings = set
    options.seed = seed
    options.bootWords = boot.split(separator: " ").map(String.init)
    options.diskModel = diskModel.rawValue
    options.timeout = timeout
    options.json = json
    options.record = record
    options.events = events
    options.log = log
    options.accelerator = accel.rawValue
    options.cpuCount = cpus
    options.isInteractive = interactive
    options.isQuiet = quiet
    options.isVerbose = verbose
    options.isDryRun = dryRun
    options.emulatorOptions =
      (qemuOpts ?? "").split { $0 == " " || $0 == "\t" || $0 == "\n" }.map(String.init)
    try options.check()
    return options
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

enum Architecture: String, ExpressibleByArgument, CaseIterable { case x86_64, i686 }

enum DiskModel: String, ExpressibleByArgument, CaseIterable { case ssd, hdd, nvme }

enum Accelerator: String, ExpressibleByArgument, CaseIterable { case tcg, kvm }

extension SizeArgument: ExpressibleByArgument {
  public var defaultValueDescription: String { description }
}

extension DurationArgument: ExpressibleByArgument {}
extension SwapArgument: ExpressibleByArgument {}
extension SaveArgument: ExpressibleByArgument {}
extension ContiguousAreaArgument: ExpressibleByArgument {}
