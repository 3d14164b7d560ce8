// SPDX-License-Identifier: Apache-2.0

import MemoryUnits

/// The bootable image.
public struct KernelImage: Sendable {
  public var path: String
  /// SHA-256 of the file.
  public var digest: String
  /// The least RAM that the kernel begins in and a small program ends in.
  public var smallestMemory: ByteCount

  /// Finds the image where the launcher says that it is, else beside this program.
  public init(host: HostEnvironment) throws(ToolFailure) {
    var candidates: [String] = []
    if let given = host.variables["QUIRE_KERNEL"] { candidates.append(given) }
    if let own = try? HostFolder.linkTarget(of: "/proc/self/exe"),
      let folder = HostFolder.folder(of: own)
    {
      candidates.append("\(folder)/kernel.elf")
    }
    for candidate in candidates {
      if let digest = try? ContentDigest.ofFile(candidate) {
        path = candidate
        self.digest = digest
        smallestMemory = try Self.smallestMemory(candidate)
        return
      }
    }
    throw ToolFailure(.failed, "the kernel's image is missing", "start the tool as ./quire")
  }

  /// An image at a place that is known.
  init(path: String) throws(ToolFailure) {
    guard let digest = try? ContentDigest.ofFile(path) else {
      throw ToolFailure(.failed, "\(path) cannot be read", "make it readable")
    }
    self.path = path
    self.digest = digest
    smallestMemory = try Self.smallestMemory(path)
  }

  /// The end of what is loaded, what the machine puts behind it before it counts its RAM (page
  /// tables, and the disks' rings), and the pages that a program cannot go without.
  private static func smallestMemory(_ path: String) throws(ToolFailure) -> ByteCount {
    let damaged = ToolFailure(.failed, "\(path) is no kernel image", "start the tool as ./quire")
    guard let head = try? HostFile(reading: path).bytes(at: 0, count: 4096), head.count == 4096,
      head.starts(with: [0x7F] + Array("ELF".utf8))
    else { throw damaged }
    let number = { (offset: Int, count: Int) -> UInt64 in
      head[offset..<offset + count].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
    let table = number(32, 8)
    let (size, count) = (number(54, 2), number(56, 2))
    guard size == 56, count > 0, table <= 1024, table + count * size <= 4096 else {
      throw damaged
    }
    var end: UInt64 = 0
    for index in 0..<count {
      let place = Int(table + index * size)
      let (address, bytes) = (number(place + 24, 8), number(place + 40, 8))
      guard address < 1 << 32, bytes < 1 << 32 else { throw damaged }
      end = max(end, address + bytes)
    }
    return ByteCount((end + tablesAndRings + leastOfAProgram + 4095) & ~4095)
  }

  private static var tablesAndRings: UInt64 { 32 << 10 }
  private static var leastOfAProgram: UInt64 { 24 << 10 }
}
