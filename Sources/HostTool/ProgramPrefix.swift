// SPDX-License-Identifier: Apache-2.0

/// A tree of its own that a program lives in: `PREFIX/bin/PROGRAM` with what it needs beside it.
struct ProgramPrefix: Equatable {
  let path: String
  /// What belongs to the program.
  private(set) var folders: [String] = []
  /// Programs elsewhere that the prefix stands on.
  private(set) var programs: [String] = []

  /// The folders of a prefix that programs read.
  private static let parts = ["lib", "lib32", "lib64", "libexec", "include", "share", "etc"]
  /// Here Debian's packages say what belongs together.
  private static let managed = ["/", "/usr"]

  /// Finds the prefix of a program's path; nil where it has none.
  init?(of program: String) {
    guard let folder = HostFolder.folder(of: program), let prefix = HostFolder.folder(of: folder),
      ["bin", "sbin"].contains(folder.split(separator: "/").last ?? ""),
      !Self.managed.contains(prefix)
    else { return nil }
    path = prefix
    if let text = try? HostFile.content(of: "\(prefix)/pyvenv.cfg") {
      folders = [prefix]
      programs = Self.programs(text, for: program)
      return
    }
    folders = Self.parts.map { "\(prefix)/\($0)" }
      .filter { (try? FileFacts($0))?.kind == .folder }
    guard folders.contains(where: { $0.hasPrefix("\(prefix)/lib") }) else { return nil }
  }

  /// The program that a virtual environment was made from: `executable`, or the one of the same
  /// name in `home`.
  private static func programs(_ text: [UInt8], for program: String) -> [String] {
    var programs: [String] = []
    for line in text.split(separator: UInt8(ascii: "\n")) {
      let parts = line.split(separator: UInt8(ascii: "="), maxSplits: 1)
        .map { String(decoding: $0, as: UTF8.self).trimmed }
      guard parts.count == 2, parts[1].hasPrefix("/") else { continue }
      switch parts[0] {
      case "executable": programs.append(parts[1])
      case "home":
        if let name = program.split(separator: "/").last { programs.append("\(parts[1])/\(name)") }
      default: break
      }
    }
    return programs.filter { (try? FileFacts($0))?.kind == .regular }
  }
}
