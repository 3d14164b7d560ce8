// SPDX-License-Identifier: Apache-2.0

/// Packs programs with what they need to start: `#!` interpreters, the dynamic linker, and the
/// closure of libraries. One rule for all programs; no program's name occurs in it.
struct ProgramPacking {
  var contents = RootContents()
  var lookup: ProgramLookup
  private var search = LibrarySearch()
  private var done: Set<String> = []

  init(lookup: ProgramLookup) { self.lookup = lookup }

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
      if let guest {
        try contents.pack(path, as: HostFolder.absolute(guest, from: "/"))
      } else {
        let resolved = try contents.pack(path)
        if facts.kind == .folder { try contents.pack(resolved, as: resolved) }
      }
      // A file that is no program, or one whose needs are not there, is packed as it is.
      if facts.kind == .regular, facts.permissions & 0o111 != 0 {
        try? packNeeds(of: path, scriptDepth: 0)
      }
    } catch {
      throw ToolFailure(.usage, "--file \(host): \(error.text)", "name a file that can be read")
    }
  }

  private mutating func pack(_ path: String, scriptDepth: Int) throws(ToolFailure) {
    let resolved: String
    do throws(HostError) {
      resolved = try contents.pack(path)
    } catch {
      throw ToolFailure(
        error.isMissing ? .notFound : .notExecutable, "\(path): \(error.text)",
        "give a program that can be read")
    }
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
      for word in rest.split(separator: " ") {
        // A word of the line that names a program, as in `#!/usr/bin/env NAME`.
        guard let found = try? lookup.path(of: String(word)) else { continue }
        try pack(found, scriptDepth: scriptDepth + 1)
      }
    }
  }

  private mutating func packLinker(_ interpreter: String, of path: String) throws(ToolFailure) {
    do throws(ToolFailure) {
      try pack(HostFolder.absolute(interpreter, from: lookup.currentFolder), scriptDepth: 0)
    } catch {
      throw ToolFailure(
        error.status, "\(path) wants \(interpreter): \(error.what)", "install what provides it")
    }
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
        guard let found, let resolved = try? contents.pack(found.path) else { continue }
        if found.needsCache { _ = try? contents.pack("/etc/ld.so.cache") }
        if done.insert(resolved).inserted { waiting.append((found.image, found.path)) }
      }
    }
  }
}
