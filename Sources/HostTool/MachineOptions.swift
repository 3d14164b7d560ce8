// SPDX-License-Identifier: Apache-2.0

import MemoryEvents
import MemoryUnits

/// All that a user may ask of a run.
public struct MachineOptions: Sendable {
  public var memory = ByteCount(256 << 20)
  public var swap: [SwapArgument] = []
  /// Size of the scratch disk.
  public var disk = ByteCount(64 << 20)
  public var architecture = "x86_64"
  /// A folder, an archive or an image that is the whole root; nil: it is packed from the host.
  public var root: String?
  public var contiguousAreas: [ContiguousAreaArgument] = []
  /// The program as it was typed, and its arguments.
  public var program: [String] = []
  /// `NAME=VALUE` in the order given.
  public var environment: [String] = []
  public var workingFolder: String?
  public var user: UInt32 = 0
  public var files: [(host: String, guest: String?)] = []
  public var saves: [SaveArgument] = []
  public var seed: UInt64 = 0
  /// `NAME=VALUE` by Linux's names of sysctls.
  public var settings: [String] = []
  public var bootWords: [String] = []
  public var diskModel: String?
  public var timeout: DurationArgument?
  public var json: String?
  /// The folder that keeps the whole run.
  public var record: String?
  public var events: String?
  public var log: String?
  public var accelerator = "tcg"
  public var cpuCount: UInt32 = 1
  public var isInteractive = false
  public var isQuiet = false
  public var isVerbose = false
  public var isDryRun = false
  public var emulatorOptions: [String] = []

  public init() {}

  /// QEMU moves RAM beyond this to above 4 GiB.
  public static var largestMemory: ByteCount {
    ByteCount(3 << 30) - ByteCount(UInt64(ChannelLayout.byteCount))
  }

  public static var smallestDisk: ByteCount { ByteCount(1 << 20) }
  /// What ext2 can be at most with blocks of 4 KiB is more than a sparse file may be.
  public static var largestDisk: ByteCount { ByteCount(1 << 40) }

  /// Refuses what no machine can be, and what this kernel has not yet.
  public func check() throws(ToolFailure) {
    try Self.check(memory, "of memory", "--memory", .zero, Self.largestMemory)
    try Self.check(disk, "of scratch disk", "--disk", Self.smallestDisk, Self.largestDisk)
    for pair in environment + settings {
      if let equals = pair.firstIndex(of: "="), equals > pair.startIndex { continue }
      throw ToolFailure(.usage, "\(pair) is no NAME=VALUE", "write it as NAME=VALUE")
    }
    for disk in swap { try disk.check() }
    for area in contiguousAreas { try area.check(in: memory) }
    try refuseWhatIsNotBuilt()
  }

  /// Refuses a machine that a kernel does not begin in.
  func check(for kernel: KernelImage) throws(ToolFailure) {
    try Self.check(memory, "of memory", "--memory", kernel.smallestMemory, Self.largestMemory)
  }

  private static func check(
    _ size: ByteCount, _ what: String, _ option: String, _ smallest: ByteCount,
    _ largest: ByteCount
  ) throws(ToolFailure) {
    if size < smallest {
      throw ToolFailure(
        .failed, "\(size.readable) \(what) are too little",
        "give at least \(option) \(SizeArgument(smallest))")
    }
    if largest < size {
      throw ToolFailure(
        .failed, "\(size.readable) \(what) are too much",
        "give at most \(option) \(SizeArgument(largest))")
    }
  }

  private func refuseWhatIsNotBuilt() throws(ToolFailure) {
    if !swap.isEmpty {
      throw ToolFailure(.failed, "the kernel cannot swap yet", "leave --swap out")
    }
    if architecture != "x86_64" {
      throw ToolFailure(
        .failed, "there is no kernel for \(architecture) yet", "use --arch x86_64")
    }
    if cpuCount != 1 {
      throw ToolFailure(
        .failed, "a machine of \(cpuCount) CPUs cannot be built yet", "use --cpus 1")
    }
    if accelerator != "tcg" {
      throw ToolFailure(
        .failed, "virtual time is counted by the emulator, not by KVM yet", "use --accel tcg")
    }
  }

  /// The command that does this again with other memory, for a shell.
  func command(_ extra: [String], memory: ByteCount) -> String {
    var words = ["./quire", "run"] + extra
    if memory != MachineOptions().memory { words += ["--memory", "\(SizeArgument(memory))"] }
    if disk != MachineOptions().disk { words += ["--disk", "\(SizeArgument(disk))"] }
    if let root { words += ["--root", root] }
    for file in files {
      words += ["--file", file.guest.map { "\(file.host):\($0)" } ?? file.host]
    }
    for save in saves { words += ["--save", "\(save)"] }
    for pair in environment { words += ["--env", pair] }
    if let workingFolder { words += ["--workdir", workingFolder] }
    if user != 0 { words += ["--user", "\(user)"] }
    for setting in settings { words += ["--set", setting] }
    if seed != 0 { words += ["--seed", "\(seed)"] }
    for area in contiguousAreas { words += ["--cma", "\(area)"] }
    if !bootWords.isEmpty { words += ["--boot", bootWords.joined(separator: " ")] }
    if let diskModel, diskModel != "ssd" { words += ["--disk-model", diskModel] }
    return (words + ["--"] + program).map(shellQuoted).joined(separator: " ")
  }

  /// The kernel's command line.
  var kernelWords: [String] { bootWords + contiguousAreas.map { "cma=\($0)" } }

  /// The folders of the program's own PATH.
  var programFolders: [String] {
    let path = wholeEnvironment(terminal: nil).first { $0.hasPrefix("PATH=") } ?? ""
    return path.dropFirst(5).split(separator: ":").map(String.init)
  }

  /// The program's environment: a fixed one, then what the user set, the last value of a name.
  func wholeEnvironment(terminal: String?) -> [String] {
    var pairs = [
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
      user == 0 ? "HOME=/root" : "HOME=/", "LANG=C.UTF-8", "TERM=\(terminal ?? "dumb")",
    ]
    for pair in environment {
      let name = pair.prefix { $0 != "=" } + "="
      if let place = pairs.firstIndex(where: { $0.hasPrefix(name) }) {
        pairs[place] = pair
      } else {
        pairs.append(pair)
      }
    }
    return pairs
  }
}
