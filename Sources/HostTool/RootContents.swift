// SPDX-License-Identifier: Apache-2.0

/// What the root disk is to hold, path by path, before any image exists.
struct RootContents {
  enum Entry: Equatable {
    case folder(permissions: UInt32)
    case file(host: String, size: UInt64, permissions: UInt32)
    case link(target: String)
    /// A file that exists on no host.
    case text(String)
  }

  /// The entries by absolute path inside the machine. Every entry's folder is an entry too.
  private(set) var entries: [String: Entry] = [:]

  /// The paths in an order that no setting of the host changes; a folder precedes its content.
  var paths: [String] { entries.keys.sorted(by: precedesByBytes) }

  func hasFolder(_ path: String) -> Bool {
    if path == "/" { return true }
    if case .folder = entries[path] { return true }
    return false
  }

  /// Whether a path is a folder once its links are followed. What lies below /proc and its kin
  /// the kernel makes, so it is taken to be there.
  func leadsToFolder(_ path: String) -> Bool {
    if ["/proc/", "/dev/", "/sys/"].contains(where: path.hasPrefix) { return true }
    var copy = self
    return hasFolder(copy.makeFolders(above: path + "/.").dropLastPart)
      && copy.entries.count == entries.count
  }

  /// Packs a path of the host under the same name: each link on the way, and what it leads to.
  ///
  /// - Returns: the path without links.
  /// - Throws: the host's error; ELOOP after 40 links as on Linux; EINVAL for a device or socket.
  @discardableResult
  mutating func pack(_ path: String) throws(HostError) -> String {
    var rest = Array(path.split(separator: "/").map(String.init).reversed())
    var place = ""
    var linkCount = 0
    while let part = rest.popLast() {
      if part == "." { continue }
      if part == ".." {
        place = HostFolder.folder(of: place).map { $0 == "/" ? "" : $0 } ?? ""
        continue
      }
      let next = "\(place)/\(part)"
      let facts = try FileFacts(next, links: .tell)
      switch facts.kind {
      case .link:
        linkCount += 1
        if linkCount > 40 { throw HostError(40) }
        let target = try HostFolder.linkTarget(of: next)
        entries[next] = .link(target: target)
        if target.hasPrefix("/") { place = "" }
        rest += target.split(separator: "/").map(String.init).reversed()
      case .folder:
        entries[next] = .folder(permissions: facts.permissions)
        place = next
      case .regular:
        entries[next] = .file(host: next, size: facts.size, permissions: facts.permissions)
        place = next
      case .other:
        throw HostError(22)
      }
    }
    return place.isEmpty ? "/" : place
  }

  /// Packs a file or folder of the host, a folder with all that is in it, under another name.
  mutating func pack(_ host: String, as guest: String) throws(HostError) {
    let facts = try FileFacts(host)
    let place = makeFolders(above: guest)
    switch facts.kind {
    case .regular:
      entries[place] = .file(host: host, size: facts.size, permissions: facts.permissions)
    case .folder:
      try packContent(of: host, permissions: facts.permissions, as: place)
    case .link, .other:
      throw HostError(22)
    }
  }

  private mutating func packContent(
    of host: String, permissions: UInt32, as place: String
  ) throws(HostError) {
    if place != "/" { entries[place] = .folder(permissions: permissions) }
    let prefix = place == "/" ? "" : place
    for name in try HostFolder.names(in: host) {
      let source = "\(host)/\(name)"
      let target = "\(prefix)/\(name)"
      let facts = try FileFacts(source, links: .tell)
      switch facts.kind {
      case .regular:
        entries[target] = .file(host: source, size: facts.size, permissions: facts.permissions)
      case .folder:
        try packContent(of: source, permissions: facts.permissions, as: target)
      case .link:
        entries[target] = .link(target: try HostFolder.linkTarget(of: source))
      case .other:
        // Sockets, pipes and devices of the host mean nothing in the machine.
        continue
      }
    }
  }

  /// Adds a folder unless something of that name is there.
  mutating func addFolder(_ path: String, permissions: UInt32) {
    let place = makeFolders(above: path)
    if entries[place] == nil { entries[place] = .folder(permissions: permissions) }
  }

  /// Adds a file of fixed content unless something of that name is there.
  mutating func addText(_ path: String, _ text: String) {
    let place = makeFolders(above: path)
    if entries[place] == nil { entries[place] = .text(text) }
  }

  /// Makes the folders above a path and follows packed links among them.
  private mutating func makeFolders(above path: String) -> String {
    var parts = Array(path.split(separator: "/").map(String.init).reversed())
    guard let name = parts.first else { return "/" }
    parts.removeFirst()
    var place = ""
    var linkCount = 0
    while let part = parts.popLast() {
      if part == ".." { place = String(place[..<(place.lastIndex(of: "/") ?? place.startIndex)]) }
      if part == "." || part == ".." { continue }
      let next = "\(place)/\(part)"
      if case .link(let target) = entries[next], linkCount < 40 {
        linkCount += 1
        if target.hasPrefix("/") { place = "" }
        parts += target.split(separator: "/").map(String.init).reversed()
        continue
      }
      if entries[next] == nil { entries[next] = .folder(permissions: 0o755) }
      place = next
    }
    return "\(place)/\(name)"
  }
}

extension String {
  fileprivate var dropLastPart: String { HostFolder.folder(of: self) ?? "/" }
}
