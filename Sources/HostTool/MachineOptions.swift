// SPDX-License-Identifier: Apache-2.0

import MemoryEvents
import MemoryUnits

/// All that a user may ask of a run.
public struct MachineOptions: Sendable {
  public var memory = ByteCount(256 << 20)
  /// The program as it was typed, and its arguments.
  public var program: [String] = []
  /// `NAME=VALUE` in the order given.
  public var environment: [String] = []
  public var workingFolder: String?
  public var user: UInt32 = 0
  public var files: [(host: String, guest: String?)] = []
  public var seed: UInt64 = 0
  public var settings: [String] = []
  public var bootWords: [String] = []
  public var diskModel: String?
  public var timeout: DurationArgument?
  public var json: String?
  public var events: String?
  public var log: String?
  public var isInteractive = false
  public var isQuiet = false
  public var isVerbose = false
  public var isDryRun = false
  public var emulatorOptions: [String] = []

  public init() {}

  /// The smallest machine that the tool starts; the kernel may want more and then says so.
  public static var smallestMemory: ByteCount { ByteCount(4 << 20) }
  /// QEMU moves RAM beyond this to above 4 GiB.
  public static var largestMemory: ByteCount {
    ByteCount(3 << 30) - ByteCount(UInt64(ChannelLayout.byteCount))
  }

  /// Refuses what no machine can be.
  public func check() throws(ToolFailure) {
    if memory < Self.smallestMemory {
      throw ToolFailure(
        .failed, "\(memory.readable) of memory are too little",
        "give at least --memory \(Self.smallestMemory.value >> 20)M")
    }
    if Self.largestMemory < memory {
      throw ToolFailure(
        .failed, "\(memory.readable) of memory are too much",
        "give at most --memory \(Self.largestMemory.value >> 20)M")
    }
    for pair in environment + settings {
      if let equals = pair.firstIndex(of: "="), equals > pair.startIndex { continue }
      throw ToolFailure(.usage, "\(pair) is no NAME=VALUE", "write it as NAME=VALUE")
    }
  }

  /// The command that does this again with other memory, for a shell.
  func command(_ extra: [String], memory: ByteCount) -> String {
    var words = ["./quire", "run"] + extra
    if memory != MachineOptions().memory { words += ["--memory", "\(SizeArgument(memory))"] }
    for file in files {
      words += ["--file", file.guest.map { "\(file.host):\($0)" } ?? file.host]
    }
    for pair in environment { words += ["--env", pair] }
    if let workingFolder { words += ["--workdir", workingFolder] }
    if user != 0 { words += ["--user", "\(user)"] }
    if seed != 0 { words += ["--seed", "\(seed)"] }
    if !bootWords.isEmpty { words += ["--boot", bootWords.joined(separator: " ")] }
    if let diskModel, diskModel != "ssd" { words += ["--disk-model", diskModel] }
    return (words + ["--"] + program).map(shellQuoted).joined(separator: " ")
  }

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
