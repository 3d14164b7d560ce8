// SPDX-License-Identifier: Apache-2.0

import MemoryEvents

/// Paths that the program looked for in vain although the host has them: what was left out.
struct MissingPaths: Equatable {
  /// In the order in which they were first looked for, each once; folders stand for what is in
  /// them.
  private(set) var paths: [String] = []

  init() {}

  /// Reads what the kernel told, and keeps what is on the host and not on the root disk.
  init(_ memory: GuestMemory, packed contents: RootContents) {
    let used = min(
      memory.load(ChannelLayout.missingPathsOffset), UInt64(ChannelLayout.missingPathTextBytes))
    // SAFETY: the span lies in the channel; it is copied.
    let bytes = unsafe memory.withChannel(
      at: ChannelLayout.missingPathTextOffset, count: Int(used)
    ) { text in unsafe [UInt8](text) }
    self.init(
      told: bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) },
      packed: contents)
  }

  init(told: [String], packed contents: RootContents) {
    var seen: Set<String> = []
    for text in told where text.hasPrefix("/") {
      let path = HostFolder.absolute(text, from: "/")
      guard !Self.isOfTheMachine(path), !Self.isSetting(path, contents), Self.isOnHost(path),
        !contents.leads(path)
      else { continue }
      let named = Self.shortest(path, contents)
      if seen.insert(named).inserted { paths.append(named) }
    }
  }

  /// For the summary; nil where nothing is missing.
  var text: String? {
    guard let first = paths.first else { return nil }
    let shown = paths.prefix(3).map(singleLine).joined(separator: ", ")
    let more = paths.count > 3 ? " and \(paths.count - 3) more" : ""
    return "not on the root disk: \(shown)\(more) (add --file \(shellQuoted(first)))"
  }

  /// What the machine has of its own, or goes without on purpose: a state of the host's, from
  /// which no program's result should follow.
  private static let ownFolders = [
    "/dev/", "/proc/", "/run/", "/sys/", "/tmp/", "/var/run/", "/var/scratch/",
    "/etc/ld.so.cache", "/etc/ld.so.preload", "/usr/lib/locale/locale-archive",
  ]

  private static func isOfTheMachine(_ path: String) -> Bool {
    ownFolders.contains { path.hasPrefix($0) || path + "/" == $0 }
      || PackageFiles.isDocumentation(path + "/")
  }

  /// A hidden file in the home of the machine's first user: settings of whoever uses the host,
  /// unless something beside it was packed, since then a program lives there.
  static func isSetting(_ path: String, _ contents: RootContents) -> Bool {
    let parts = path.split(separator: "/")
    return parts.count >= 2 && parts[0] == "root" && parts[1].hasPrefix(".")
      && !contents.leads("/" + parts[...1].joined(separator: "/"))
  }

  /// An empty folder is not missed.
  private static func isOnHost(_ path: String) -> Bool {
    guard let facts = try? FileFacts(path) else { return false }
    if facts.kind == .folder { return (try? HostFolder.names(in: path))?.isEmpty == false }
    return facts.kind == .regular
  }

  /// The folder of shared data that is missing as a whole, or the path itself elsewhere.
  private static func shortest(_ path: String, _ contents: RootContents) -> String {
    guard path.hasPrefix("/usr/"), !path.hasPrefix("/usr/local/") else { return path }
    var shortest = path
    while let folder = HostFolder.folder(of: shortest), folder.split(separator: "/").count > 2,
      !contents.leads(folder)
    { shortest = folder }
    return shortest
  }
}
