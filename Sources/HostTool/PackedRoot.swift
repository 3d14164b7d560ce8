// SPDX-License-Identifier: Apache-2.0

/// The root disk of a run, packed from the host or given whole, and the program on it.
struct PackedRoot {
  /// The program's path in the machine.
  let program: String
  let disk: RootDisk
  /// What is on the disk; nil for an archive or an image.
  let contents: RootContents?

  /// - Throws: as `ProgramPacking` and `WholeRoot`; 64 for files added to a whole root.
  init(
    _ options: MachineOptions, lookup: ProgramLookup, cache: CacheFolder
  ) throws(ToolFailure) {
    let name = options.program[0]
    guard let named = options.root else {
      program = try lookup.path(of: name)
      var packing = ProgramPacking(lookup: lookup, guestFolders: options.programFolders)
      try packing.packProgram(program)
      for file in options.files { try packing.packFile(file.host, as: file.guest) }
      if options.user != 0 { packing.contents.shareWithAll() }
      try packing.packPackages(DebianPackages())
      FixedFiles.add(to: &packing.contents)
      contents = packing.contents
      disk = try RootDisk(packing.contents, cache: cache)
      return
    }
    if let file = options.files.first {
      throw ToolFailure(
        .usage, "--file \(file.host) cannot be added to a whole root", "put it into \(named)")
    }
    let root = try WholeRoot(named, cache: cache)
    program = try root.program(
      name, folders: options.programFolders, current: options.workingFolder ?? "/")
    disk = root.disk
    contents = root.contents
  }
}
