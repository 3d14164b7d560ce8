// SPDX-License-Identifier: Apache-2.0

/// What to copy out of the machine when the program ends: `GUEST[:HOST]`.
public struct SaveArgument: Equatable, Sendable {
  /// A path inside the machine; a relative one begins at the program's folder.
  public let guest: String
  /// Where it goes; nil: into the current folder, under its own name.
  public let host: String?

  /// Reads the words, or gives nil where one of the two is empty.
  public init?(argument: String) {
    let parts = argument.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    guard !parts[0].isEmpty, parts.last?.isEmpty == false else { return nil }
    guest = String(parts[0])
    host = parts.count == 2 ? String(parts[1]) : nil
  }

  /// The path on the host that the file or folder will have, as `cp -r` would choose it.
  ///
  /// - Throws: `usage` where the folder that it goes to is not there.
  func target(from folder: String) throws(ToolFailure) -> String {
    let name = HostFolder.absolute(guest, from: "/").lastPart
    var path = HostFolder.absolute(host ?? ".", from: folder)
    let isFolder = (try? FileFacts(path))?.kind == .folder
    if isFolder, !name.isEmpty {
      path = path == "/" ? "/\(name)" : "\(path)/\(name)"
    } else if !isFolder, host?.hasSuffix("/") == true {
      throw ToolFailure(.usage, "--save \(self): no folder \(path)", "mkdir \(shellQuoted(path))")
    }
    let above = HostFolder.folder(of: path) ?? "/"
    guard (try? FileFacts(above))?.kind == .folder else {
      throw ToolFailure(
        .usage, "--save \(self): no folder \(above)", "mkdir -p \(shellQuoted(above))")
    }
    return path
  }
}

extension SaveArgument: CustomStringConvertible {
  /// The words as a user would write them.
  public var description: String { host.map { "\(guest):\($0)" } ?? guest }
}

extension String {
  /// The part behind the last slash.
  var lastPart: String {
    guard let slash = utf8.lastIndex(of: UInt8(ascii: "/")) else { return self }
    return String(self[index(after: slash)...])
  }
}
