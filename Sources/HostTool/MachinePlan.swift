// SPDX-License-Identifier: Apache-2.0

import Glibc
import MemoryEvents
import MemoryUnits

/// A run worked out in full: what is on the disk, what the kernel is told, what QEMU is called
/// with. Nothing runs yet.
struct MachinePlan {
  var options: MachineOptions
  let kernel: KernelImage
  let disk: RootDisk
  /// What is on the root disk; nil where only the machine knows.
  let packed: RootContents?
  let arguments: [UInt8]
  /// Where the machine's scratch file may lie on the host.
  let scratchFolders: [String]
  /// What is copied out at the end, and the host's paths that it gets.
  let saves: [(guest: String, host: String)]
  /// The host's seconds since the epoch when virtual time begins; 0: a fixed time.
  let bootTime: UInt64
  /// Bit n: standard stream n is a terminal.
  let terminals: UInt64
  let isInteractive: Bool

  init(_ options: MachineOptions, host: HostEnvironment) throws(ToolFailure) {
    kernel = try KernelImage(host: host)
    try options.check(for: kernel)
    let folder = HostFolder.current
    let lookup = ProgramLookup(folders: host.programFolders, currentFolder: folder)
    let cache = CacheFolder(environment: host.variables)
    let root = try PackedRoot(options, lookup: lookup, cache: cache)
    let program = root.program
    packed = root.contents
    disk = root.disk
    scratchFolders = [cache.path, host.variables["TMPDIR"] ?? "/tmp", "/tmp"]
    bootTime = options.bootWords.contains("clock=host") ? UInt64(time(nil)) : 0

    var terminals: UInt64 = 0
    for stream in 0..<3 where isatty(Int32(stream)) == 1 { terminals |= 1 << UInt64(stream) }
    self.terminals = terminals
    isInteractive = options.isInteractive || terminals & 1 != 0

    var block = ArgumentBlock()
    block.add(.program, program)
    for argument in options.program { block.add(.argument, argument) }
    let terminal = terminals & 1 != 0 ? host.variables["TERM"] : nil
    for pair in options.wholeEnvironment(terminal: terminal) { block.add(.environment, pair) }
    let workingFolder = try Self.workingFolder(options, current: folder, root.contents)
    block.add(.workingFolder, workingFolder)
    block.add(.user, String(options.user))
    for word in options.kernelWords { block.add(.bootWord, word) }
    for setting in options.settings { block.add(.setting, setting) }
    block.add(.diskModel, options.diskModel ?? "ssd")
    var saves: [(guest: String, host: String)] = []
    for save in options.saves {
      let guest = HostFolder.absolute(save.guest, from: workingFolder)
      saves.append((guest, try save.target(from: folder)))
      block.add(.save, guest)
    }
    self.saves = saves
    arguments = try block.finished()
    self.options = options
  }

  /// A machine that was worked out before.
  init(
    _ options: MachineOptions, kernel: KernelImage, disk: RootDisk, arguments: [UInt8],
    scratchFolders: [String], bootTime: UInt64, terminals: UInt64, isInteractive: Bool
  ) {
    self.options = options
    self.kernel = kernel
    self.disk = disk
    self.arguments = arguments
    self.scratchFolders = scratchFolders
    self.bootTime = bootTime
    self.terminals = terminals
    self.isInteractive = isInteractive
    packed = RootContents()
    // What was copied out then is not copied over what there is now.
    saves = []
  }

  /// The folder that the user named, which must be there, or else the host's where it is packed.
  private static func workingFolder(
    _ options: MachineOptions, current: String, _ contents: RootContents?
  ) throws(ToolFailure) -> String {
    guard let named = options.workingFolder else {
      guard let contents, options.root == nil else { return "/" }
      return contents.hasFolder(current) ? current : "/var/scratch"
    }
    let path = HostFolder.absolute(named, from: options.root == nil ? current : "/")
    guard contents?.leadsToFolder(path) ?? true else {
      throw ToolFailure(
        .usage, "--workdir \(named) is not on the root disk", "add --file \(shellQuoted(path))")
    }
    return path
  }

  /// QEMU's arguments for a machine whose RAM and scratch disk are these descriptors.
  func command(memoryDescriptor: Int32, scratchDescriptor: Int32) -> [String] {
    let total = (options.memory.value + UInt64(ChannelLayout.byteCount) + 8191) & ~8191
    return [
      "qemu-system-x86_64",
      "-M",
      "microvm,acpi=off,ioapic2=off,pit=off,rtc=off,pic=off,auto-kernel-cmdline=off,"
        + "memory-backend=ram",
      "-cpu", "Nehalem,-spec-ctrl", "-m", "size=\(total)B",
      "-object",
      "memory-backend-file,id=ram,size=\(total)B,mem-path=/proc/self/fd/\(memoryDescriptor),"
        + "share=on",
      "-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off",
      "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
      // What a kernel says that cannot reach its log any more.
      "-serial", "stdio",
      "-device", "isa-debug-exit,iobase=0xf4,iosize=4",
      "-global", "virtio-mmio.force-legacy=false",
      "-drive",
      "file=\(Self.escaped(disk.image)),if=none,id=root,format=raw,readonly=on,cache=writeback",
      "-device", "virtio-blk-device,drive=root",
      // It ends with the run, so the host's disk need not have it; a full one is an error there.
      "-drive",
      "file=/proc/self/fd/\(scratchDescriptor),if=none,id=scratch,format=raw,cache=unsafe,"
        + "werror=report,rerror=report",
      "-device", "virtio-blk-device,drive=scratch",
      "-kernel", kernel.path, "-append", "quire.memory=\(options.memory.value)",
    ] + options.emulatorOptions
  }

  /// A comma in a value is written twice.
  private static func escaped(_ path: String) -> String { path.replacing(",", with: ",,") }

  /// The command as a shell would take it.
  func commandLine() -> String {
    command(memoryDescriptor: 3, scratchDescriptor: 4).map(shellQuoted).joined(separator: " ")
  }
}

/// A word as a POSIX shell takes it, on one line.
func shellQuoted(_ word: String) -> String {
  let plain = word.utf8.allSatisfy { byte in
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
    case UInt8(ascii: "0")...UInt8(ascii: "9"): true
    default: "-_./=,:+@%".utf8.contains(byte)
    }
  }
  if plain && !word.isEmpty { return word }
  let isControl = { (scalar: Unicode.Scalar) in scalar.value < 0x20 || scalar.value == 0x7F }
  guard word.unicodeScalars.contains(where: isControl) else {
    return "'\(word.replacing("'", with: "'\\''"))'"
  }
  var text = ""
  for scalar in word.unicodeScalars {
    switch scalar {
    case "\n": text += "\\n"
    case "\t": text += "\\t"
    case "'": text += "\\'"
    case "\\": text += "\\\\"
    case _ where isControl(scalar):
      // Three octal digits, so that a digit behind them is not taken for a fourth.
      let octal = String(scalar.value, radix: 8)
      text += "\\" + String(repeating: "0", count: 3 - octal.count) + octal
    default: text.unicodeScalars.append(scalar)
    }
  }
  return "$'\(text)'"
}
