// SPDX-License-Identifier: Apache-2.0

/// Which files are of which package: the lists, the diversions and the alternatives of dpkg.
struct PackageFiles {
  let packages: DebianPackages
  private let diversions: Diversions
  /// Links at the top of the file system, such as /bin → /usr/bin, by what they lead to.
  private let aliases: [(link: String, folder: String)]

  init(_ packages: DebianPackages, root: String = "/") {
    self.packages = packages
    diversions = Diversions("\(packages.folder)/diversions")
    aliases = Self.aliases(root)
  }

  /// Folders of text for people and for packagers, which no program needs. Translations are among
  /// them: the machine's language is C.UTF-8, and no other is there.
  private static let documentation = [
    "/usr/share/locale/",
    "/usr/share/doc/", "/usr/share/man/", "/usr/share/info/", "/usr/share/doc-base/",
    "/usr/share/lintian/", "/usr/share/gtk-doc/", "/usr/share/help/", "/usr/share/bug/",
  ]

  static func isDocumentation(_ path: String) -> Bool {
    documentation.contains { path.hasPrefix($0) }
  }

  /// The packages that own any of some files.
  ///
  /// - Complexity: O(bytes of all lists): one pass over the database.
  func owners(of paths: some Sequence<String>) -> [Int] {
    var wanted: [UInt64: [(text: [UInt8], owner: Diversions.Owner)]] = [:]
    for path in paths {
      for name in names(of: path) {
        let (listed, owner) = diversions.listed(name)
        let text = Array(listed.utf8)
        wanted[Self.hash(text[...]), default: []].append((text, owner))
      }
    }
    if wanted.isEmpty { return [] }
    return packages.packages.indices.filter { index in
      let name = packages.packages[index].name
      return Self.contains(packages.list(of: index)) { line, hash in
        guard let candidates = wanted[hash] else { return false }
        return candidates.contains { $0.owner.allows(name) && line.elementsEqual($0.text) }
      }
    }
  }

  /// The files and folders of a package as they lie on the host, without documentation.
  func files(of package: Int) -> [String] {
    let name = packages.packages[package].name
    return packages.list(of: package).split(separator: UInt8(ascii: "\n")).compactMap { line in
      let path = String(decoding: line, as: UTF8.self)
      guard path.hasPrefix("/"), path != "/.", !Self.isDocumentation(path) else { return nil }
      return diversions.place(of: path, for: name)
    }
  }

  /// What no package lists although it lies beside packed files, in a folder of some package's
  /// own: what was made when the package was installed, such as compiled modules and indices.
  ///
  /// - Complexity: one more pass over the database.
  func unlisted(beside contents: RootContents) -> [String] {
    var candidates: Set<String> = []
    for folder in contents.foldersOfFiles where Self.isOfPackages(folder) {
      for name in (try? HostFolder.names(in: folder)) ?? [] {
        let path = "\(folder)/\(name)"
        guard contents.entries[path] == nil, let facts = try? FileFacts(path, links: .tell),
          facts.kind == .folder || facts.kind == .regular
        else { continue }
        candidates.insert(path)
      }
    }
    return candidates.subtracting(listed(candidates)).sorted(by: precedesByBytes)
  }

  /// A folder below those that all packages share.
  private static func isOfPackages(_ folder: String) -> Bool {
    let parts = folder.split(separator: "/")
    return parts.count >= 3 && parts[0] == "usr" && parts[1] != "local"
  }

  /// Those of some paths that any package lists.
  private func listed(_ paths: Set<String>) -> Set<String> {
    if paths.isEmpty { return [] }
    var wanted: [UInt64: [(text: [UInt8], path: String)]] = [:]
    for path in paths {
      for name in names(of: path) {
        let text = Array(diversions.listed(name).path.utf8)
        wanted[Self.hash(text[...]), default: []].append((text, path))
      }
    }
    var found: Set<String> = []
    for index in packages.packages.indices {
      _ = Self.contains(packages.list(of: index)) { line, hash in
        for candidate in wanted[hash] ?? [] where line.elementsEqual(candidate.text) {
          found.insert(candidate.path)
        }
        return false
      }
    }
    return found
  }

  /// A path under every name that a list may have for it.
  private func names(of path: String) -> [String] {
    [path] + aliases.filter { path.hasPrefix($0.folder + "/") }
      .map { $0.link + path.dropFirst($0.folder.count) }
  }

  private static func aliases(_ root: String) -> [(link: String, folder: String)] {
    let prefix = root == "/" ? "" : root
    return ((try? HostFolder.names(in: root)) ?? []).compactMap { name in
      let link = "\(prefix)/\(name)"
      guard let target = try? HostFolder.linkTarget(of: link) else { return nil }
      return (link, HostFolder.absolute(target, from: root))
    }
  }

  private static func contains(
    _ list: [UInt8], line matches: (ArraySlice<UInt8>, UInt64) -> Bool
  ) -> Bool {
    var start = 0
    var hash = hashStart
    for place in list.indices {
      let byte = list[place]
      if byte != UInt8(ascii: "\n") {
        hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3
        continue
      }
      if matches(list[start..<place], hash) { return true }
      start = place + 1
      hash = hashStart
    }
    return false
  }

  private static var hashStart: UInt64 { 0xCBF2_9CE4_8422_2325 }

  private static func hash(_ text: ArraySlice<UInt8>) -> UInt64 {
    text.reduce(hashStart) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
  }
}

/// Files that one package has moved out of the way of its own. See dpkg-divert(1).
struct Diversions {
  enum Owner {
    case any
    case only(String)
    case except(String)

    func allows(_ package: String) -> Bool {
      switch self {
      case .any: true
      case .only(let name): package == name
      case .except(let name): package != name
      }
    }
  }

  /// By the path that packages list: where it went, and for whose sake.
  private var moved: [String: (target: String, package: String)] = [:]
  private var origin: [String: String] = [:]

  /// Reads the database's file: three lines each. A missing one has none.
  init(_ path: String) {
    let content = (try? HostFile.content(of: path)) ?? []
    let lines = content.split(separator: UInt8(ascii: "\n"))
      .map { String(decoding: $0, as: UTF8.self) }
    for start in stride(from: 0, to: lines.count - 2, by: 3) {
      moved[lines[start]] = (lines[start + 1], lines[start + 2])
      origin[lines[start + 1]] = lines[start]
    }
  }

  /// Under which path a file of the host is listed, and by whom it can be.
  func listed(_ path: String) -> (path: String, owner: Owner) {
    if let from = origin[path], let package = moved[from]?.package {
      return (from, .except(package))
    }
    if let package = moved[path]?.package { return (path, .only(package)) }
    return (path, .any)
  }

  /// Where a listed file of a package lies.
  func place(of path: String, for package: String) -> String {
    guard let diversion = moved[path], diversion.package != package else { return path }
    return diversion.target
  }
}

/// The links of update-alternatives(1): generic names for one of several programs.
struct Alternatives {
  /// Generic paths by the name of the link below /etc/alternatives that they lead through.
  private(set) var links: [(name: String, path: String)] = []

  /// Reads every description below a folder: the mode, then the main link, then a name and a
  /// link each up to an empty line.
  init(_ folder: String = "/var/lib/dpkg/alternatives") {
    for name in (try? HostFolder.names(in: folder)) ?? [] {
      guard let content = try? HostFile.content(of: "\(folder)/\(name)") else { continue }
      let lines = content.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        .map { String(decoding: $0, as: UTF8.self) }
      guard lines.count > 2 else { continue }
      links.append((name, lines[1]))
      var place = 2
      while place + 1 < lines.count, !lines[place].isEmpty {
        links.append((lines[place], lines[place + 1]))
        place += 2
      }
    }
  }
}
