// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// Settings of the kernel by their dotted names.
extension FileSystems {
  /// Sets `NAME=VALUE` by writing to the file that the name's parts lead to below /proc/sys.
  ///
  /// - Throws: ENOENT for a name that there is not, EACCES for a setting that cannot be changed,
  ///   EINVAL for a value that it cannot have.
  /// - Context: may sleep; as the administrator.
  ///
  /// Linux: `process_sysctl_arg()`, for the boot word `sysctl.NAME=VALUE`.
  public func set(_ pair: MemoryBlock) throws(Errno) {
    var nameCount = 0
    while nameCount < pair.byteCount, pair.load(UInt8.self, at: nameCount) != Self.equals {
      nameCount += 1
    }
    let valueCount = pair.byteCount - nameCount - 1
    guard nameCount > 0, valueCount > 0 else { throw .EINVAL }
    try withPathBuffer { (block) throws(Errno) in
      let prefix: StaticString = "/proc/sys/"
      let start = block.byteCount - prefix.utf8CodeUnitCount - nameCount
      guard start >= block.byteCount - PathText.maximumByteCount else { throw .ENAMETOOLONG }
      let place = start + block.store(text: prefix, at: start)
      for index in 0..<nameCount {
        let byte = pair.load(UInt8.self, at: index)
        guard byte != PathText.slash else { throw .ENOENT }
        block.store(byte == Self.dot ? PathText.slash : byte, at: place + index)
      }
      try write(
        .kernel(pair, at: nameCount + 1), byteCount: valueCount,
        toFile: PathText(block: block, start: start))
    }
  }

  private func write(
    _ source: TransferMemory, byteCount: Int, toFile path: PathText
  ) throws(Errno) {
    let root = try rootFolder()
    defer { release(root) }
    let inode = try find(path, from: root)
    defer { release(inode) }
    // The administrator may open what nobody may write.
    guard heap[inode].mode.isRegular, heap[inode].mode.rawValue & 0o222 != 0 else {
      throw .EACCES
    }
    let file = try open(inode, flags: .writeOnly)
    defer { release(file) }
    _ = try write(file, from: source, byteCount: byteCount)
  }

  private static var equals: UInt8 { 0x3D }
  private static var dot: UInt8 { 0x2E }
}
