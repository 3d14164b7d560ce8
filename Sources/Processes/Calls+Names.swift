// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import FileSystems
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// The system calls that make, move and remove names.
extension Kernel {
  /// A mode as a call gives it, without what the program masks. Linux: `mode_strip_umask()`.
  func permissions(_ mode: UInt64, _ allowed: UInt64) -> UInt16 {
    UInt16(mode & allowed & ~UInt64(heap[folderContext].creationMask))
  }

  private func newFile(_ kind: FileMode, _ permissions: UInt16) -> NewFile {
    NewFile(
      mode: FileMode(kind, permissions: permissions), user: credentials.user,
      group: credentials.group)
  }

  /// Linux: `mkdir`, `mkdirat`.
  func makeFolder(_ folder: UInt64, _ path: UInt64, _ mode: UInt64) throws(Errno) -> UInt64 {
    let new = newFile(.folder, permissions(mode, 0o1777))
    try withPath(folder, path) { (path, start) throws(Errno) in
      try fileSystems.make(new, at: path, from: start, as: credentials)
    }
    return 0
  }

  /// Linux: `mknod`, `mknodat`.
  func makeNode(
    _ folder: UInt64, _ path: UInt64, _ mode: UInt64, _ device: UInt64
  ) throws(Errno) -> UInt64 {
    let wanted = FileMode(rawValue: UInt16(truncatingIfNeeded: mode))
    let kind: FileMode
    switch wanted.kind {
    case FileMode(rawValue: 0), .regular: kind = .regular
    case .characterDevice, .blockDevice, .pipe, .socket: kind = wanted.kind
    case .folder: throw .EPERM
    default: throw .EINVAL
    }
    var new = newFile(kind, permissions(mode, 0o7777))
    if kind == .characterDevice || kind == .blockDevice {
      new.device = DeviceNumber(encoded: device & 0xFFFF_FFFF)
    }
    let made = new
    try withPath(folder, path) { (path, start) throws(Errno) in
      try fileSystems.make(made, at: path, from: start, as: credentials)
    }
    return 0
  }

  /// Linux: `symlink`, `symlinkat`.
  func makeSymbolicLink(
    _ target: UInt64, _ folder: UInt64, _ path: UInt64
  ) throws(Errno) -> UInt64 {
    try fileSystems.withPath(at: VirtualAddress(target), in: space) { (text) throws(Errno) in
      try withPath(folder, path) { (path, start) throws(Errno) in
        try fileSystems.makeLink(to: text, at: path, from: start, as: credentials)
      }
    }
    return 0
  }

  /// Linux: `link`, `linkat`.
  func makeLink(
    _ oldFolder: UInt64, _ oldPath: UInt64, _ newFolder: UInt64, _ newPath: UInt64,
    flags: UInt64
  ) throws(Errno) -> UInt64 {
    guard flags & ~(PathFlag.follow | PathFlag.emptyPath) & 0xFFFF_FFFF == 0 else {
      throw .EINVAL
    }
    let how =
      flags & PathFlag.emptyPath | (flags & PathFlag.follow != 0 ? 0 : PathFlag.noFollow)
    if flags & PathFlag.emptyPath != 0, !credentials.can(.readAll) { throw .ENOENT }
    try withInode(oldFolder, oldPath, how) { (inode) throws(Errno) in
      try withPath(newFolder, newPath) { (path, start) throws(Errno) in
        try fileSystems.link(inode, at: path, from: start, as: credentials)
      }
    }
    return 0
  }

  /// Linux: `unlink`, `rmdir`, `unlinkat`.
  func removeName(_ folder: UInt64, _ path: UInt64, flags: UInt64) throws(Errno) -> UInt64 {
    guard flags & ~PathFlag.removesFolder & 0xFFFF_FFFF == 0 else { throw .EINVAL }
    try withPath(folder, path) { (path, start) throws(Errno) in
      if flags & PathFlag.removesFolder != 0 {
        try fileSystems.removeFolder(path, from: start, as: credentials)
      } else {
        try fileSystems.remove(path, from: start, as: credentials)
      }
    }
    return 0
  }

  /// Linux: `rename`, `renameat`, `renameat2`.
  func rename(
    _ oldFolder: UInt64, _ oldPath: UInt64, _ newFolder: UInt64, _ newPath: UInt64,
    flags: UInt64
  ) throws(Errno) -> UInt64 {
    let kind: RenameKind
    switch UInt32(truncatingIfNeeded: flags) {
    case 0: kind = .replacing
    case 1: kind = .fresh
    case 2: kind = .exchanging
    // RENAME_WHITEOUT is for overlays, and what is not together or unknown is refused likewise.
    default: throw .EINVAL
    }
    try withPath(oldFolder, oldPath) { (old, oldStart) throws(Errno) in
      try withPath(newFolder, newPath) { (new, newStart) throws(Errno) in
        try fileSystems.rename(
          old, from: oldStart, to: new, from: newStart, kind, as: credentials)
      }
    }
    return 0
  }
}
