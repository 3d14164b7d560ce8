// SPDX-License-Identifier: Apache-2.0

import CHostSystem

/// Packs programs with what they need: `#!` interpreters, the dynamic linker, the closure of
/// libraries, the prefix that a program lives in, and the packages that own any of these with
/// what they depend on. One rule for all programs; no program's name occurs in it.
struct ProgramPacking {
  var contents = RootContents()
  var lookup: ProgramLookup
  /// How the machine's own PATH finds what a `#!` line names.
  private let guestLookup: ProgramLookup
  private var search = LibrarySearch()
  /// Files whose needs are packed.
  private var done: Set<String> = []
  /// What the user named and the interpreters of it, under every name on the way.
  private var own: [String] = []
  /// Other files of the closure.
  private var used: [String] = []
  private var prefixes: Set<String> = []
  private var hasLinker = false

  init(lookup: ProgramLookup, guestFolders: [String] = []) {
    self.lookup = lookup
    guestLookup = ProgramLookup(folders: guestFolders, currentFolder: "/")
  }

  /// Packs the program that the machine runs.
  ///
  /// - Throws: 126 or 127 with the reason why it cannot run.
  mutating func packProgram(_ path: String) throws(ToolFailure) {
    try pack(path, scriptDepth: 0)
  }

  /// Packs a file that the user named, with what it needs where it is a program.
  mutating func packFile(_ host: String, as guest: String?) throws(ToolFailure) {
    let path = HostFolder.absolute(host, from: lookup.currentFolder)
    do throws(HostError) {
      let facts = try FileFacts(path)
      var place = path
      if let guest {
        try contents.pack(path, as: HostFolder.absolute(guest, from: "/"))
      } else {
        var links: [String] = []
        place = try contents.pack(path, notingLinks: &links)
        if facts.kind == .folder { try contents.pack(place, as: place) }
        if facts.kind == .regular { own += links + [place] }
      }
      if facts.kind == .folder {
        packNeeds(below: place, on: path)
      } else if facts.permissions & 0o111 != 0 {
        // A file that is no program, or one whose needs are not there, is packed as it is.
        try? packNeeds(of: place, scriptDepth: 0)
      }
    } catch {
      if error.number == 27 { throw Self.tooLarge }
      throw ToolFailure(.usage, "--file \(host): \(error.text)", "name a file that can be read")
    }
  }

  /// Packs the packages of all that was packed so far. To be called last.
  ///
  /// - Parameter packages: Debian's database, or nil where there is none.
  mutating func packPackages(_ packages: DebianPackages?) throws(ToolFailure) {
    guard let packages else { return }
    let files = PackageFiles(packages)
    let owners = files.owners(of: own + used)
    let named = Set(own)
    let ownOwners = files.owners(of: named.filter { contents.entries[$0] != nil })
    var roots = owners + ownOwners.flatMap(packages.companions)
    // Every package may use the essential ones without saying so.
    if hasLinker { roots += packages.essential }
    do throws(HostError) {
      for package in packages.closure(of: roots) {
        for path in files.files(of: package) { try packListed(path) }
      }
      for path in files.unlisted(beside: contents) {
        do throws(HostError) {
          try contents.pack(path, as: path)
        } catch {
          if error.number == 27 { throw error }
        }
      }
      try packAlternatives(Alternatives("\(packages.folder)/alternatives"))
    } catch {
      throw Self.tooLarge
    }
  }

  private static var tooLarge: ToolFailure {
    ToolFailure(
      .failed,
      "the root disk would hold more than 8 GiB or a million files",
      "add less with --file, or give a whole root with --root")
  }

  /// Packs a file that a package lists. One that is not there any more, or that the user may not
  /// read, is left out: the program then misses it as it would on this host.
  private mutating func packListed(_ path: String) throws(HostError) {
    do throws(HostError) {
      let place = try contents.pack(path)
      // SAFETY: the path is terminated.
      if case .file(let file)? = contents.entries[place], unsafe may_read(file.path) != 0 {
        contents.remove(place)
      }
      contents.keepTime(of: place)
    } catch {
      if error.number == 27 { throw error }
    }
  }

  /// Packs the generic names of programs that are packed.
  private mutating func packAlternatives(_ alternatives: Alternatives) throws(HostError) {
    for (name, path) in alternatives.links where !PackageFiles.isDocumentation(path) {
      guard let target = try? HostFolder.linkTarget(of: "/etc/alternatives/\(name)"),
        contents.leads(target)
      else { continue }
      try packListed(path)
    }
  }

  private mutating func pack(_ path: String, scriptDepth: Int) throws(ToolFailure) {
    let resolved: String
    var links: [String] = []
    do throws(HostError) {
      resolved = try contents.pack(path, notingLinks: &links)
    } catch {
      throw ToolFailure(
        error.isMissing ? .notFound : .notExecutable, "\(path): \(error.text)",
        "give a program that can be read")
    }
    own += links + [resolved]
    try packPrefix(of: path)
    try packPrefix(of: resolved)
    if done.insert(resolved).inserted { try packNeeds(of: resolved, scriptDepth: scriptDepth) }
  }

  private mutating func packNeeds(of path: String, scriptDepth: Int) throws(ToolFailure) {
    switch try ProgramFile(path) {
    case .image(let image):
      if let interpreter = image.interpreter { try packLinker(interpreter, of: path) }
      packLibraries(of: image, at: path)
    case .script(let interpreter, let rest):
      // Linux follows five interpreters that are scripts themselves.
      guard scriptDepth < 5 else {
        throw ToolFailure(
          .notExecutable, "\(path) has too many interpreters in a row", "name the last one")
      }
      try packInterpreter(interpreter, of: path, scriptDepth: scriptDepth)
      for word in Self.words(rest) {
        // A word of the line that names a program, as in `#!/usr/bin/env NAME`.
        if let found = (try? guestLookup.path(of: word)) ?? (try? lookup.path(of: word)) {
          try pack(found, scriptDepth: scriptDepth + 1)
        }
      }
    }
  }

  /// The words of a `#!` line's argument, which may be the value of an option that splits it.
  private static func words(_ rest: String) -> [String] {
    var line = rest
    for option in ["--split-string=", "-S"] where line.hasPrefix(option) {
      line.removeFirst(option.count)
    }
    return line.split(separator: " ").map(String.init).filter { !$0.hasPrefix("-") }
  }

  /// What the programs and libraries of a packed folder need, where it is there.
  ///
  /// - Parameters:
  ///   - place: the folder in the machine.
  ///   - host: the same on the host.
  private mutating func packNeeds(below place: String, on host: String) {
    let prefix = place == "/" ? "/" : "\(place)/"
    for (path, entry) in contents.entries {
      guard path.hasPrefix(prefix), case .file(let file) = entry else { continue }
      guard file.permissions & 0o111 != 0 || file.path.contains(".so") else { continue }
      guard done.insert(file.path).inserted else { continue }
      // One whose needs are not there is packed as it is.
      try? packNeeds(of: file.path, scriptDepth: 1)
    }
  }

  /// Packs the prefix that a program lies in, where it lies in one.
  private mutating func packPrefix(of path: String) throws(ToolFailure) {
    guard let prefix = ProgramPrefix(of: path) else { return }
    do throws(HostError) {
      for folder in prefix.folders where prefixes.insert(folder).inserted {
        let place = try contents.pack(folder)
        try contents.pack(place, as: place)
        contents.keepTimes(below: place)
        packNeeds(below: place, on: folder)
      }
    } catch {
      if error.number == 27 { throw Self.tooLarge }
      throw ToolFailure(.failed, "\(prefix.path): \(error.text)", "make it readable")
    }
    for program in prefix.programs where prefixes.insert(program).inserted {
      // A virtual environment whose base is gone says so itself.
      try? pack(program, scriptDepth: 1)
    }
  }

  private mutating func packLinker(_ interpreter: String, of path: String) throws(ToolFailure) {
    let linker = HostFolder.absolute(interpreter, from: lookup.currentFolder)
    do throws(HostError) {
      try packUsed(linker)
      hasLinker = true
    } catch {
      throw ToolFailure(
        error.isMissing ? .notFound : .notExecutable,
        "\(path) wants \(interpreter): \(linker): \(error.text)", "install what provides it")
    }
  }

  /// - Returns: the path without links.
  @discardableResult
  private mutating func packUsed(_ path: String) throws(HostError) -> String {
    var links: [String] = []
    let resolved = try contents.pack(path, notingLinks: &links)
    used += links + [resolved]
    return resolved
  }

  private mutating func packInterpreter(
    _ interpreter: String, of path: String, scriptDepth: Int
  ) throws(ToolFailure) {
    do throws(ToolFailure) {
      let found = try lookup.path(of: HostFolder.absolute(interpreter, from: lookup.currentFolder))
      try pack(found, scriptDepth: scriptDepth + 1)
    } catch {
      throw ToolFailure(
        error.status, "the interpreter of \(path): \(error.what)", "correct its first line")
    }
  }

  /// Libraries that are not on the host are left out: the dynamic linker then says so itself.
  private mutating func packLibraries(of program: ELFImage, at path: String) {
    var waiting = [(program, path)]
    while let (image, place) = waiting.popLast() {
      for name in image.libraries {
        let found = search.find(
          name, for: image, at: place, program: program, programPath: path)
        guard let found, let resolved = try? packUsed(found.path) else { continue }
        if found.needsCache { _ = try? contents.pack("/etc/ld.so.cache") }
        if done.insert(resolved).inserted { waiting.append((found.image, found.path)) }
      }
    }
  }
}
