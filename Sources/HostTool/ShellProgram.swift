// SPDX-License-Identifier: Apache-2.0

/// The shell that `quire shell` runs: the first of a list that the host has.
public struct ShellProgram: Sendable {
  public let program: String

  public init(host: HostEnvironment) {
    let lookup = ProgramLookup(
      folders: host.programFolders + ["/bin", "/usr/bin"], currentFolder: HostFolder.current)
    program = Self.shells.first { (try? lookup.path(of: $0)) != nil } ?? "sh"
  }

  private static var shells: [String] { ["bash", "sh"] }
}
