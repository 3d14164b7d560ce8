// SPDX-License-Identifier: Apache-2.0

import CHostSystem

/// Linux's way to its first program in instructions, which a plugin in the emulator counts
/// (`Tests/bench/start.c`): from the kernel's entry on, without the firmware.
///
/// The image is the one that Debian's holds compressed, entered as QEMU enters Quire's: by PVH.
extension LinuxPeer {
  /// The kernel's image as it is when it has unpacked itself.
  var unpackedImage: String { image.replacing("/vmlinuz-", with: "/vmlinux-") }

  /// The instructions to the program's first one; nil where there is no such image or plugin.
  func startInstructions(
    to program: String, memory: String, host: HostEnvironment
  ) throws(ToolFailure) -> UInt64? {
    guard let plugin = host.variables["QUIRE_START_PLUGIN"], !plugin.isEmpty,
      let entry = try? Self.entry(of: unpackedImage),
      let first = try? Self.firstInstruction(of: program)
    else { return nil }
    let count = "\(unpackedImage).count"
    let options = ["-plugin", "file=\(plugin),from=\(entry),to=\(first),out=\(count)"]
    let text = try kept(
      of: program, rows: ["getppid"], memory: memory, host: host, further: "start"
    ) { (emulator, code, archive) throws(ToolFailure) in
      defer { try? HostFolder.remove(count) }
      _ = try boot(
        emulator, unpackedImage, with: code, ["getppid"], memory, archive: archive, options)
      return String(decoding: (try? HostFile.content(of: count)) ?? [], as: UTF8.self)
    }
    return UInt64(text.filter { $0 != "\n" })
  }

  /// Linux: `e_entry`.
  private static func firstInstruction(of program: String) throws(HostError) -> UInt64 {
    try HostFile(reading: program).bytes(at: 0, count: 64).number(at: 24, bytes: 8)
  }

  /// Where PVH enters an image. Linux: `XEN_ELFNOTE_PHYS32_ENTRY`.
  private static func entry(of image: String) throws(HostError) -> UInt64? {
    let file = try HostFile(reading: image)
    let header = try file.bytes(at: 0, count: 64)
    guard header.count == 64 else { return nil }
    let (offset, count) = (header.number(at: 32, bytes: 8), header.number(at: 56, bytes: 2))
    let segments = try file.bytes(at: offset, count: Int(count) * 56)
    for base in stride(from: 0, to: segments.count - 55, by: 56)
    where segments.number(at: base, bytes: 4) == 4 {
      let size = Int(clamping: min(segments.number(at: base + 32, bytes: 8), 1 << 20))
      let notes = try file.bytes(at: segments.number(at: base + 8, bytes: 8), count: size)
      if let entry = entry(inNotes: notes) { return entry }
    }
    return nil
  }

  /// - Parameter notes: of an ELF file; each has the lengths of its name and content, a type, and
  ///   both in whole words.
  static func entry(inNotes notes: [UInt8]) -> UInt64? {
    var place = 0
    while place + 12 <= notes.count {
      let name = Int(notes.number(at: place, bytes: 4))
      let content = Int(notes.number(at: place + 4, bytes: 4))
      let start = place + 12 + (name + 3) & ~3
      guard content >= 0, start + content <= notes.count else { return nil }
      if notes.number(at: place + 8, bytes: 4) == 18, content >= 4,
        notes[(place + 12)..<start].elementsEqual("Xen\0".utf8)
      {
        return notes.number(at: start, bytes: min(content, 8))
      }
      place = start + (content + 3) & ~3
    }
    return nil
  }
}
