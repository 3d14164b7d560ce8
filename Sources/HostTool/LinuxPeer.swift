// SPDX-License-Identifier: Apache-2.0

/// Debian's Linux in a machine of its own, with the measuring program as its first process.
///
/// The kernel's image is a file of Debian's package, which the launcher fetches into the cache.
/// What it measured once is kept beside the image, by everything that it depends on.
struct LinuxPeer {
  /// How the kernel is told to run.
  enum Setting: String {
    /// As fast as it can be.
    case lean
    /// As Debian ships it.
    case shipped

    var words: String {
      switch self {
      case .shipped: ""
      case .lean:
        "mitigations=off init_on_alloc=0 cgroup_disable=memory psi=0"
          + " transparent_hugepage=madvise nokaslr norandmaps"
      }
    }
  }

  let image: String
  /// Of the kernel: `6.1.0-56-amd64`.
  let release: String
  let setting: Setting

  init(image: String, setting: Setting) {
    self.image = image
    self.setting = setting
    let name = image.split(separator: "/").last ?? ""
    release = String(name.drop { $0 != "-" }.dropFirst())
  }

  var name: String { "Linux \(release), \(setting.rawValue)" }

  /// The images that the launcher found, the peer first.
  static func images(_ host: HostEnvironment) -> [String] {
    (host.variables["QUIRE_LINUX"] ?? "").split(separator: ":").map(String.init)
  }

  /// What the program writes on a machine of so much RAM, now or when it ran there last.
  ///
  /// - Parameter memory: as QEMU takes it.
  /// - Throws: where QEMU or the disk fails. A kernel that does not reach the program writes
  ///   nothing.
  func output(
    of program: String, rows: [String], memory: String, host: HostEnvironment
  ) throws(ToolFailure) -> String {
    try kept(of: program, rows: rows, memory: memory, host: host) {
      (emulator, code, archive) throws(ToolFailure) in
      try boot(emulator, image, with: code, rows, memory, archive: archive)
    }
  }

  /// What a body found out, now or when it ran last with the same program, rows, memory, emulator
  /// and settings.
  ///
  /// - Parameters:
  ///   - further: what else tells its answers from others.
  ///   - body: gets the emulator, the program, and a place for an archive.
  func kept(
    of program: String, rows: [String], memory: String, host: HostEnvironment,
    further: String = "",
    _ body: (String, [UInt8], String) throws(ToolFailure) -> String
  ) throws(ToolFailure) -> String {
    let emulator = try host.emulator()
    let code = try attempting(program, "start the tool as ./quire") { () throws(HostError) in
      try HostFile.content(of: program)
    }
    let digest = ContentDigest()
    digest.add(code)
    for word in [try MachineRun.emulatorVersion(emulator), setting.words, memory] + rows {
      digest.add(word)
    }
    if !further.isEmpty { digest.add(further) }
    let place = "\(image).\(digest.finish().prefix(16))"
    if let known = try? HostFile.content(of: place) {
      return String(decoding: known, as: UTF8.self)
    }
    let text = try body(emulator, code, "\(place).cpio")
    try attempting(place, "set XDG_CACHE_HOME to a folder with room") { () throws(HostError) in
      try HostFile.write(Array(text.utf8), to: "\(place).new")
      try HostFolder.rename("\(place).new", to: place)
    }
    return text
  }

  /// Runs a kernel of this release to the program's end; gives what that wrote.
  func boot(
    _ emulator: String, _ kernel: String, with code: [UInt8], _ rows: [String], _ memory: String,
    archive: String, _ options: [String] = []
  ) throws(ToolFailure) -> String {
    printToStandardError("quire: measuring \(name) (\(memory)), once")
    try attempting(archive, "set XDG_CACHE_HOME to a folder with room") { () throws(HostError) in
      try HostFile.write(RAMArchive(program: code).bytes, to: archive)
    }
    defer { try? HostFolder.remove(archive) }
    let words =
      "console=ttyS0 quiet loglevel=0 panic=-1 \(setting.words) -- "
      + rows.joined(separator: " ")
    let command = [
      "timeout", "600", emulator, "-M", "pc", "-cpu", "Nehalem,-spec-ctrl", "-m", memory,
      "-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off", "-nodefaults",
      "-no-user-config", "-no-reboot", "-display", "none", "-serial", "stdio",
      "-kernel", kernel, "-initrd", archive, "-append", words,
    ] + options
    return try ChildProcess.run("/usr/bin/timeout", command, environment: []).text
  }
}
