// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import FileSystems
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// The system calls that change what is known of files, how long they are, and what of them is on
/// the disk.
extension Kernel {
  /// An open file that is more than a path.
  ///
  /// - Throws: EBADF also of `O_PATH`. Linux: `fdget()`.
  func openedFile(_ descriptor: UInt64) throws(Errno) -> Reference<OpenFile> {
    let file = try file(descriptor)
    guard heap[file].behaviour != .pathOnly else { throw .EBADF }
    return file
  }

  /// Runs a body with an open file's inode, held meanwhile.
  private func withInode<Result>(
    ofDescriptor descriptor: UInt64, _ body: (Reference<Inode>) throws(Errno) -> Result
  ) throws(Errno) -> Result {
    let inode = heap[try openedFile(descriptor)].inode
    fileSystems.retain(inode)
    defer { fileSystems.release(inode) }
    return try body(inode)
  }

  private func check(_ flags: UInt64) throws(Errno) {
    guard flags & ~(PathFlag.noFollow | PathFlag.emptyPath) & 0xFFFF_FFFF == 0 else {
      throw .EINVAL
    }
  }

  /// Linux: `chmod`, `fchmodat`, `fchmodat2`.
  func setPermissions(
    _ folder: UInt64, _ path: UInt64, _ mode: UInt64, flags: UInt64
  ) throws(Errno) -> UInt64 {
    try check(flags)
    try withInode(folder, path, flags) { (inode) throws(Errno) in
      try fileSystems.setPermissions(
        of: inode, to: UInt16(truncatingIfNeeded: mode), as: credentials)
    }
    return 0
  }

  /// Linux: `fchmod`.
  func setPermissions(descriptor: UInt64, _ mode: UInt64) throws(Errno) -> UInt64 {
    try withInode(ofDescriptor: descriptor) { (inode) throws(Errno) in
      try fileSystems.setPermissions(
        of: inode, to: UInt16(truncatingIfNeeded: mode), as: credentials)
    }
    return 0
  }

  /// A user or group that is to be set; nil for the number that leaves it.
  private func identity(_ value: UInt64) -> UInt32? {
    let number = UInt32(truncatingIfNeeded: value)
    return number == .max ? nil : number
  }

  /// Linux: `chown`, `lchown`, `fchownat`.
  func setOwner(
    _ folder: UInt64, _ path: UInt64, _ user: UInt64, _ group: UInt64, flags: UInt64
  ) throws(Errno) -> UInt64 {
    try check(flags)
    try withInode(folder, path, flags) { (inode) throws(Errno) in
      try fileSystems.setOwner(
        of: inode, user: identity(user), group: identity(group), as: credentials)
    }
    return 0
  }

  /// Linux: `fchown`.
  func setOwner(
    descriptor: UInt64, _ user: UInt64, _ group: UInt64
  ) throws(Errno) -> UInt64 {
    try withInode(ofDescriptor: descriptor) { (inode) throws(Errno) in
      try fileSystems.setOwner(
        of: inode, user: identity(user), group: identity(group), as: credentials)
    }
    return 0
  }

  // Times

  /// Linux: `utimensat`; without a path glibc's `futimens`.
  func setTimes(_ call: CallArguments) throws(Errno) -> UInt64 {
    var accessed = TimeChange.now
    var modified = TimeChange.now
    if call.third != 0 {
      accessed = try nanosecondTime(at: call.third)
      modified = try nanosecondTime(at: call.third &+ 16)
      if case .none = accessed, case .none = modified { return 0 }
    }
    return try setTimes(call.first, call.second, accessed, modified, flags: call.fourth)
  }

  private func nanosecondTime(at address: UInt64) throws(Errno) -> TimeChange {
    let time: TimeOfFile = try load(at: address)
    switch time.nanoseconds {
    case 0x3FFF_FFFF: return .now
    case 0x3FFF_FFFE: return .none
    case 0..<1_000_000_000: return .given(time)
    default: throw .EINVAL
    }
  }

  /// Linux: `utimes`, `futimesat`.
  func setTimesInMicroseconds(
    _ folder: UInt64, _ path: UInt64, _ times: UInt64
  ) throws(Errno) -> UInt64 {
    guard times != 0 else { return try setTimes(folder, path, .now, .now, flags: 0) }
    let accessed = try microsecondTime(at: times)
    let modified = try microsecondTime(at: times &+ 16)
    return try setTimes(folder, path, accessed, modified, flags: 0)
  }

  private func microsecondTime(at address: UInt64) throws(Errno) -> TimeChange {
    let time: TimeOfFile = try load(at: address)
    guard (0..<1_000_000).contains(time.nanoseconds) else { throw .EINVAL }
    return .given(TimeOfFile(seconds: time.seconds, nanoseconds: time.nanoseconds * 1000))
  }

  /// Linux: `utime`, `struct utimbuf`.
  func setTimesInSeconds(_ call: CallArguments) throws(Errno) -> UInt64 {
    let here = Self.workingFolderNumber
    guard call.second != 0 else { return try setTimes(here, call.first, .now, .now, flags: 0) }
    let accessed = TimeOfFile(seconds: try load(at: call.second))
    let modified = TimeOfFile(seconds: try load(at: call.second &+ 8))
    return try setTimes(here, call.first, .given(accessed), .given(modified), flags: 0)
  }

  private func setTimes(
    _ folder: UInt64, _ path: UInt64, _ accessed: TimeChange, _ modified: TimeChange,
    flags: UInt64
  ) throws(Errno) -> UInt64 {
    let isDescriptor = path == 0 && Int32(truncatingIfNeeded: folder) != -100
    if isDescriptor {
      guard flags & 0xFFFF_FFFF == 0 else { throw .EINVAL }
      try withInode(ofDescriptor: folder) { (inode) throws(Errno) in
        try fileSystems.setTimes(
          of: inode, accessed: accessed, modified: modified, as: credentials)
      }
      return 0
    }
    try check(flags)
    try withInode(folder, path, flags) { (inode) throws(Errno) in
      try fileSystems.setTimes(
        of: inode, accessed: accessed, modified: modified, as: credentials)
    }
    return 0
  }

  // Contents

  private func length(_ value: UInt64) throws(Errno) -> UInt64 {
    guard value <= UInt64(Int64.max) else { throw .EINVAL }
    return value
  }

  /// Linux: `truncate`.
  func cut(path: UInt64, to byteCount: UInt64) throws(Errno) -> UInt64 {
    let end = try length(byteCount)
    try withInode(Self.workingFolderNumber, path, 0) { (inode) throws(Errno) in
      guard !heap[inode].mode.isFolder else { throw .EISDIR }
      guard heap[inode].mode.isRegular else { throw .EINVAL }
      try fileSystems.checkAccess(to: inode, .write, as: credentials)
      try fileSystems.truncate(inode, to: end)
    }
    return 0
  }

  /// Linux: `ftruncate`.
  func cut(descriptor: UInt64, to byteCount: UInt64) throws(Errno) -> UInt64 {
    let end = try length(byteCount)
    return try withFile(descriptor) { (file) throws(Errno) in
      try fileSystems.truncate(file, to: end)
      return 0
    }
  }

  /// Linux: `fsync`.
  func synchronize(_ descriptor: UInt64) throws(Errno) -> UInt64 {
    try synchronize(descriptor, .everything)
  }

  /// Linux: `fdatasync`.
  func synchronizeData(_ descriptor: UInt64) throws(Errno) -> UInt64 {
    try synchronize(descriptor, .data)
  }

  private func synchronize(
    _ descriptor: UInt64, _ part: FileSystems<Self>.SynchronizedPart
  ) throws(Errno) -> UInt64 {
    switch heap[try openedFile(descriptor)].behaviour {
    case .regular, .folder:
      return try withFile(descriptor) { (file) throws(Errno) in
        try fileSystems.synchronize(file, part)
        return 0
      }
    default: throw .EINVAL
    }
  }

  /// Linux: `sync`.
  func synchronizeAll() throws(Errno) -> UInt64 {
    try? fileSystems.synchronizeAll(.scratch)
    return 0
  }

  /// Linux: `syncfs`.
  func synchronizeVolume(_ descriptor: UInt64) throws(Errno) -> UInt64 {
    _ = try openedFile(descriptor)
    return try withFile(descriptor) { (file) throws(Errno) in
      try fileSystems.synchronizeVolume(of: file)
      return 0
    }
  }
}
