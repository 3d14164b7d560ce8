// SPDX-License-Identifier: Apache-2.0

/// What Debian says is installed, read straight from its database.
///
/// Sources: deb-control(5), Debian Policy 7 ("Declaring relationships between packages") and 3.8
/// ("Essential packages").
struct DebianPackages {
  struct Package {
    var name: String
    var architecture: String
    /// Every other package may use it without saying so.
    var isEssential = false
    /// The source package that it is built from.
    var source: String
    /// One of each group is needed. Fields: `Depends`, `Pre-Depends`.
    var dependencies: [[String]] = []
    var recommendations: [[String]] = []
    var suggestions: [[String]] = []
    /// Other names that it answers to.
    var provided: [String] = []
  }

  let packages: [Package]
  /// Where the database lies.
  let folder: String
  private var named: [String: [Int]] = [:]

  /// Reads the database; nil where there is none.
  init?(folder: String = "/var/lib/dpkg") {
    guard let status = try? HostFile.content(of: "\(folder)/status") else { return nil }
    self.folder = folder
    packages = Self.installed(status)
    for (index, package) in packages.enumerated() {
      named[package.name, default: []].append(index)
      for name in package.provided where name != package.name {
        named[name, default: []].append(index)
      }
    }
  }

  /// The numbers of the essential packages.
  var essential: [Int] { packages.indices.filter { packages[$0].isEssential } }

  /// Some packages and all that they depend on, sorted by name.
  func closure(of roots: [Int]) -> [Int] {
    var found = Set(roots)
    var waiting = roots
    while let next = waiting.popLast() {
      for group in packages[next].dependencies {
        guard let package = choose(group, for: packages[next]) else { continue }
        if found.insert(package).inserted { waiting.append(package) }
      }
    }
    return found.sorted { left, right in
      let (one, other) = (packages[left], packages[right])
      if one.name != other.name { return precedesByBytes(one.name, other.name) }
      return precedesByBytes(one.architecture, other.architecture)
    }
  }

  /// What is installed beside a program of a package by default: what the package recommends,
  /// and what it suggests of its own source. A distribution cuts an interpreter in parts so that
  /// a small system can do with the smallest; who runs it wants the parts that are there.
  func companions(of package: Int) -> [Int] {
    let own = packages[package]
    let recommended = own.recommendations.compactMap { choose($0, for: own) }
    let suggested = own.suggestions.compactMap { choose($0, for: own) }
      .filter { packages[$0].source == own.source }
    return recommended + suggested
  }

  /// The first of some alternatives that is installed, of the asking package's architecture where
  /// there are several.
  private func choose(_ group: [String], for asking: Package) -> Int? {
    for name in group {
      guard let candidates = named[name] else { continue }
      let real = candidates.filter { packages[$0].name == name }
      let choice = real.isEmpty ? candidates : real
      return choice.first { packages[$0].architecture == asking.architecture }
        ?? choice.first { packages[$0].architecture == "all" } ?? choice.first
    }
    return nil
  }

  /// The file that lists a package's files.
  func list(of package: Int) -> [UInt8] {
    let (name, architecture) = (packages[package].name, packages[package].architecture)
    let stem = "\(folder)/info/\(name)"
    return (try? HostFile.content(of: "\(stem):\(architecture).list"))
      ?? (try? HostFile.content(of: "\(stem).list")) ?? []
  }

  // MARK: The status file

  private static func installed(_ status: [UInt8]) -> [Package] {
    var packages: [Package] = []
    for stanza in status.stanzas {
      var package = Package(name: "", architecture: "", source: "")
      var isInstalled = false
      for (name, value) in stanza {
        switch name {
        case "Package": package.name = value
        case "Status": isInstalled = value.hasSuffix(" installed")
        case "Architecture": package.architecture = value
        case "Essential": package.isEssential = value == "yes"
        case "Source": package.source = String(value.prefix { $0 != " " })
        case "Depends", "Pre-Depends": package.dependencies += groups(value)
        case "Recommends": package.recommendations = groups(value)
        case "Suggests": package.suggestions = groups(value)
        case "Provides": package.provided = groups(value).flatMap { $0 }
        default: break
        }
      }
      guard isInstalled, !package.name.isEmpty else { continue }
      if package.source.isEmpty { package.source = package.name }
      packages.append(package)
    }
    return packages
  }

  /// The names of a relationship field: `a (>= 1) | b:any, c` is [[a, b], [c]].
  static func groups(_ field: String) -> [[String]] {
    field.utf8.split(separator: UInt8(ascii: ",")).map { group in
      group.split(separator: UInt8(ascii: "|")).compactMap { alternative in
        let name = alternative.drop { $0 == UInt8(ascii: " ") }
          .prefix { byte in !" (:[<\n".utf8.contains(byte) }
        return name.isEmpty ? nil : String(decoding: name, as: UTF8.self)
      }
    }
  }
}

extension [UInt8] {
  /// The fields of each stanza that packing wants, by name; folded lines are joined.
  fileprivate var stanzas: [[(name: String, value: String)]] {
    let wanted: Set<String> = [
      "Package", "Status", "Architecture", "Essential", "Source", "Depends", "Pre-Depends",
      "Recommends", "Suggests", "Provides",
    ]
    var stanzas: [[(name: String, value: String)]] = []
    var stanza: [(name: String, value: String)] = []
    for line in split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
      guard let first = line.first else {
        if !stanza.isEmpty { stanzas.append(stanza) }
        stanza = []
        continue
      }
      // Descriptions and file lists are most of the file; none of the wanted fields is folded.
      guard first != UInt8(ascii: " "), first != UInt8(ascii: "\t"),
        let colon = line.prefix(16).firstIndex(of: UInt8(ascii: ":"))
      else { continue }
      let name = String(decoding: line[..<colon], as: UTF8.self)
      guard wanted.contains(name) else { continue }
      let value = line[(colon + 1)...].drop { $0 == UInt8(ascii: " ") }
      stanza.append((name, String(decoding: value, as: UTF8.self)))
    }
    if !stanza.isEmpty { stanzas.append(stanza) }
    return stanzas
  }
}
