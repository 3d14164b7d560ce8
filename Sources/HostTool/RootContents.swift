// SPDX-License-Identifier: Apache-2.0

import CHostSystem

/// What the root disk is to hold, path by path, before any image exists.
struct RootContents {
  enum Entry: Equatable {
    case folder(permissions: UInt32)
    case file(HostContent)
    case link(target: String)
    /// A file that exists on no host.
    case text(String)
  }

  /// The entries by absolute path inside the machine. Every entry's folder is an entry too.
  private(set) var entries: [String: Entry] = [:]

  /// Bytes of all files of the host.
  private(set) var byteCount: UInt64 = 0

  /// What a root disk may hold, so that a slip such as `--file /` ends soon.
  static var maximumByteCount: UInt64 { 8 << 30 }
  static var maximumEntryCount: Int { 1_000_000 }

  /// The paths in an order that no setting of the host changes; a folder precedes its content.
  var paths: [String] { entries.keys.sorted(by: precedesByBytes) }

  /// The folders that have files of the host in them.
  var foldersOfFiles: Set<String> {
    var folders: Set<String> = []
    for (path, entry) in entries {
      guard case .file = entry, let folder = HostFolder.folder(of: path) else { continue }
      folders.insert(folder)
    }
    return folders
  }

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
    var links: [String] = []
    return try pack(path, notingLinks: &links)
  }

  /// The same, and notes each link that stands for the file itself.
  mutating func pack(
    _ path: String, notingLinks links: inout [String]
  ) throws(HostError) -> String {
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
      switch try entry(next) {
      case .link(let target):
        linkCount += 1
        if linkCount > 40 { throw HostError(40) }
        if rest.isEmpty { links.append(next) }
        if target.hasPrefix("/") { place = "" }
        rest += target.split(separator: "/").map(String.init).reversed()
      case .folder:
        place = next
      case .file, .text:
        if !rest.isEmpty { throw HostError(20) }
        place = next
      }
    }
    return place.isEmpty ? "/" : place
  }

  /// What is packed of that name, or else the host's file of that name, packed now.
  private mutating func entry(_ path: String) throws(HostError) -> Entry {
    if let known = entries[path] { return known }
    let facts = try FileFacts(path, links: .tell)
    let entry: Entry
    switch facts.kind {
    case .link: entry = .link(target: try HostFolder.linkTarget(of: path))
    case .folder: entry = .folder(permissions: facts.permissions)
    case .regular: entry = .file(HostContent(path, facts))
    case .other: throw HostError(22)
    }
    try set(path, entry)
    return entry
  }

  /// - Throws: EFBIG where the disk would hold more than it may.
  private mutating func set(_ path: String, _ entry: Entry) throws(HostError) {
    if case .file(let old)? = entries[path] { byteCount -= old.size }
    entries[path] = entry
    if case .file(let new) = entry { byteCount += new.size }
    if byteCount > Self.maximumByteCount || entries.count > Self.maximumEntryCount {
      throw HostError(27)
    }
  }

  /// Packs a file or folder of the host, a folder with all that is in it, under another name.
  mutating func pack(_ host: String, as guest: String) throws(HostError) {
    let facts = try FileFacts(host)
    let place = makeFolders(above: guest)
    switch facts.kind {
    case .regular:
      try set(place, .file(HostContent(host, facts)))
    case .folder:
      try packContent(of: host, permissions: facts.permissions, as: place)
    case .link, .other:
      throw HostError(22)
    }
  }

  private mutating func packContent(
    of host: String, permissions: UInt32, as place: String
  ) throws(HostError) {
    if place != "/" { try set(place, .folder(permissions: permissions)) }
    // The kernel makes what is below these.
    if ["/proc", "/sys", "/dev"].contains(place) { return }
    let prefix = place == "/" ? "" : place
    for name in try HostFolder.names(in: host) {
      let source = "\(host)/\(name)"
      let target = "\(prefix)/\(name)"
      let facts = try FileFacts(source, links: .tell)
      // What the user may not read is left out: a program of theirs could not read it either.
      // SAFETY: the path is terminated.
      if facts.kind != .link, unsafe may_read(source) != 0 { continue }
      switch facts.kind {
      case .regular:
        try set(target, .file(HostContent(source, facts)))
      case .folder:
        try packContent(of: source, permissions: facts.permissions, as: target)
      case .link:
        try set(target, .link(target: try HostFolder.linkTarget(of: source)))
      case .other:
        // Sockets, pipes and devices of the host mean nothing in the machine.
        continue
      }
    }
  }

  /// Gives a file the time that it has on the host, since that belongs to what it is part of:
  /// compiled files name the time of their source.
  mutating func keepTime(of path: String) {
    guard case .file(var file)? = entries[path] else { return }
    file.keepTime()
    entries[path] = .file(file)
  }

  /// The same for all files below a folder.
  mutating func keepTimes(below folder: String) {
    let prefix = folder == "/" ? "/" : "\(folder)/"
    for path in entries.keys where path.hasPrefix(prefix) { keepTime(of: path) }
  }

  /// Lets everyone read and search what its owner may: who packs can do that too, and the
  /// machine's user stands for them.
  mutating func shareWithAll() {
    func shared(_ permissions: UInt32) -> UInt32 {
      permissions | (permissions & 0o500) >> 3 | (permissions & 0o500) >> 6
    }
    for (path, entry) in entries {
      switch entry {
      case .folder(let permissions):
        entries[path] = .folder(permissions: shared(permissions))
      case .file(var file):
        file.facts.permissions = shared(file.permissions)
        entries[path] = .file(file)
      case .link, .text:
        break
      }
    }
  }

  /// Removes a file again.
  mutating func remove(_ path: String) {
    if case .file(let file)? = entries.removeValue(forKey: path) { byteCount -= file.size }
  }

  /// Whether a path leads to something that is packed, links followed.
  func leads(_ path: String) -> Bool { path == "/" || target(of: path) != nil }

  /// What a path leads to, links followed; nil where that is not packed.
  func target(of path: String) -> Entry? {
    var last: Entry?
    var rest = Array(path.split(separator: "/").map(String.init).reversed())
    var place = ""
    var linkCount = 0
    while let part = rest.popLast() {
      if part == "." { continue }
      if part == ".." {
        place = place.dropLastPart == "/" ? "" : place.dropLastPart
        continue
      }
      guard let entry = entries["\(place)/\(part)"] else { return nil }
      last = entry
      if case .link(let target) = entry, linkCount < 40 {
        linkCount += 1
        if target.hasPrefix("/") { place = "" }
        rest += target.split(separator: "/").map(String.init).reversed()
      } else {
        place += "/\(part)"
      }
    }
    return last
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

/// A file of the host's, as it was when it was looked at.
struct HostContent: Equatable {
  var path: String
  var facts: FileFacts
  /// Its time on the disk, in seconds since the epoch.
  var time = RootDisk.epoch

  init(_ path: String, _ facts: FileFacts) {
    self.path = path
    self.facts = facts
  }

  /// Gives it the time that it has on the host.
  mutating func keepTime() {
    time = min(facts.modified / 1_000_000_000, UInt64(Int32.max))
  }

  var size: UInt64 { facts.size }
  var permissions: UInt32 { facts.permissions }
}

extension String {
  fileprivate var dropLastPart: String { HostFolder.folder(of: self) ?? "/" }
}
