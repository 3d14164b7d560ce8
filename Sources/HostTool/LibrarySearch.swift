// SPDX-License-Identifier: Apache-2.0

/// Finds libraries where the dynamic linker would: the paths in the program, the folders of
/// /etc/ld.so.conf, the usual folders.
struct LibrarySearch {
  struct Found {
    var path: String
    var image: ELFImage
    /// Whether the linker knows the folder from its cache only.
    var needsCache: Bool
  }

  private static let usualFolders = [
    "/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64", "/lib",
    "/usr/lib",
  ]

  private var configured: [String]?

  mutating func find(
    _ name: String, for image: ELFImage, at path: String, program: ELFImage, programPath: String
  ) -> Found? {
    if name.contains("/") { return Self.library(name, needsCache: false) }
    let own = Self.expanded(image.searchPaths, at: path)
    let inherited = Self.expanded(program.searchPaths, at: programPath)
    for folder in own + inherited + Self.usualFolders {
      if let found = Self.library("\(folder)/\(name)", needsCache: false) { return found }
    }
    for folder in configuredFolders() {
      if let found = Self.library("\(folder)/\(name)", needsCache: true) { return found }
    }
    return nil
  }

  private static func library(_ path: String, needsCache: Bool) -> Found? {
    // A library of another architecture is passed over, as the linker does.
    guard let image = try? ProgramFile.image(of: path) else { return nil }
    return Found(path: path, image: image, needsCache: needsCache)
  }

  private static func expanded(_ folders: [String], at path: String) -> [String] {
    let origin = HostFolder.folder(of: path) ?? "/"
    return folders.filter { !$0.isEmpty }.map { folder in
      let whole = folder.replacing("${ORIGIN}", with: origin).replacing("$ORIGIN", with: origin)
      return HostFolder.absolute(whole, from: "/")
    }
  }

  private mutating func configuredFolders() -> [String] {
    if let configured { return configured }
    var folders: [String] = []
    Self.read("/etc/ld.so.conf", depth: 0, into: &folders)
    configured = folders
    return folders
  }

  private static func read(_ path: String, depth: Int, into folders: inout [String]) {
    guard depth < 4, let content = try? HostFile.content(of: path) else { return }
    for line in String(decoding: content, as: UTF8.self).split(separator: "\n") {
      let words = line.prefix { $0 != "#" }.split { $0 == " " || $0 == "\t" }.map(String.init)
      if words.first == "include", words.count == 2 {
        for included in expandPattern(words[1]) {
          read(included, depth: depth + 1, into: &folders)
        }
      } else {
        folders += words.filter { $0.hasPrefix("/") }
      }
    }
  }

  /// The files that `FOLDER/*SUFFIX` names: the one form of pattern that is used there.
  private static func expandPattern(_ pattern: String) -> [String] {
    guard let star = pattern.firstIndex(of: "*") else { return [pattern] }
    let suffix = pattern[pattern.index(after: star)...]
    guard let folder = HostFolder.folder(of: String(pattern[..<star]) + "x"),
      let names = try? HostFolder.names(in: folder)
    else { return [] }
    return names.filter { $0.hasSuffix(suffix) }.map { "\(folder)/\($0)" }
  }
}
