// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// Terminals by their names in /dev.
///
/// Linux: `fs/devpts`, `drivers/tty/tty_io.c`.
extension FileSystems {
  /// Numbers of inodes in /dev/pts begin here.
  private static var firstPseudoTerminal: UInt64 { 256 }

  /// The number in /dev/pts that an inode of /dev is, nil for all others.
  func pseudoTerminalNumber(of inode: Reference<Inode>) -> UInt32? {
    let number = heap[inode].number
    guard heap[inode].tree == .devices, number >= Self.firstPseudoTerminal else { return nil }
    return UInt32(truncatingIfNeeded: number - Self.firstPseudoTerminal)
  }

  func pseudoTerminalInode(_ number: UInt32) throws(Errno) -> Reference<Inode> {
    var fresh = Inode(
      .devices, of: .devices, number: Self.firstPseudoTerminal + UInt64(number),
      mode: FileMode(.characterDevice, permissions: 0o620))
    fresh.device = DeviceNumber(major: 136, minor: number)
    fresh.group = 5  // Debian's `tty`
    stamp(&fresh, at: bootTime)
    return try allocate(fresh)
  }

  /// A name in /dev/pts: `ptmx`, or a number.
  func pseudoTerminalChild(
    _ name: FileName, of folder: Reference<Inode>
  ) throws(Errno) -> Reference<Inode> {
    guard DeviceNode(number: heap[folder].number) == .pseudoTerminals else { throw .ENOENT }
    if name.equals("ptmx") { return try deviceInode(.pseudoTerminalMaker) }
    guard let number = name.number, let terminal = findTerminal(number),
      heap[terminal].hasMaster
    else { throw .ENOENT }
    return try pseudoTerminalInode(number)
  }

  /// Lists /dev/pts: positions are `ptmx` at 2 and the numbers from 3 on.
  func listTerminals(from start: UInt64, _ listing: inout FolderListing) -> UInt64 {
    let kind = FileMode.characterDevice.entryKind
    var position = start
    if position == 2 {
      let inode = UInt64(DeviceNode.pseudoTerminalMaker.rawValue)
      guard listing.add(inode: inode, next: 3, kind: kind, name: "ptmx") else { return position }
      position = 3
    }
    while let number = firstTerminal(from: UInt32(truncatingIfNeeded: position - 3)) {
      // Below the limit of two digits.
      var digits: UInt16 = 0
      let length = number < 10 ? 1 : 2
      if length == 2 { digits = UInt16(0x30 + number / 10) | UInt16(0x30 + number % 10) << 8 }
      if length == 1 { digits = UInt16(0x30 + number) }
      let isAdded = withMemoryBlock(over: &digits) {
        listing.add(
          inode: Self.firstPseudoTerminal + UInt64(number), next: UInt64(number) + 4, kind: kind,
          name: $0, at: 0, nameLength: length)
      }
      guard isAdded else { break }
      position = UInt64(number) + 4
    }
    return position
  }

  /// Opens a device file that is a terminal; nil for other devices.
  ///
  /// - Parameter inode: its count becomes the open file's if there is one.
  /// - Throws: ENXIO where the process has no terminal, EIO, ENOSPC, ENOMEM.
  func openTerminal(
    at inode: Reference<Inode>, flags: OpenFlags
  ) throws(Errno) -> Reference<OpenFile>? {
    let device = heap[inode].device
    switch (device.major, device.minor) {
    case (5, 0):
      guard let terminal = environment.terminalClient.terminal else { throw .ENXIO }
      return try openTerminal(terminal, inode, flags: flags.union(.noControllingTerminal))
    case (5, 1): return try openTerminal(console(), inode, flags: flags)
    case (5, 2):
      return try openMaster(inode, flags: OpenFlags(rawValue: flags.rawValue & ~Self.passingFlags))
    case (136, let number):
      guard let terminal = findTerminal(number) else { throw .EIO }
      return try openTerminal(terminal, inode, flags: flags)
    default: return nil
    }
  }
}
