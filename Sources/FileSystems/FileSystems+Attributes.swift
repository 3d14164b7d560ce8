// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageFrames

/// A time to be set.
public enum TimeChange: BitwiseCopyable, Sendable {
  /// Linux: `UTIME_OMIT`.
  case none
  /// Linux: `UTIME_NOW`.
  case now
  case given(TimeOfFile)
}

/// Changing what is known of files.
extension FileSystems {
  /// Refuses what cannot be changed because of where it is.
  ///
  /// - Throws: EROFS, EPERM. Linux: `mnt_want_write()`.
  private func checkMayChange(_ inode: Reference<Inode>) throws(Errno) {
    switch heap[inode].tree {
    case .memory, .disk, .devices: if isReadOnly(heap[inode].volume) { throw .EROFS }
    case .pipes, .streams, .sockets, .nameless: return
    case .processes, .system: throw .EPERM
    }
  }

  private func noteChanged(_ inode: Reference<Inode>) {
    heap[inode].changed = currentTime
    if heap[inode].tree == .disk { diskNoteChanged(inode) }
  }

  /// Changes a file's rights.
  ///
  /// - Throws: EROFS, EPERM, EOPNOTSUPP of a symbolic link. Linux: `chmod_common()`.
  public func setPermissions(
    of inode: Reference<Inode>, to permissions: UInt16, as credentials: Credentials
  ) throws(Errno) {
    try checkMayChange(inode)
    guard !heap[inode].mode.isLink else { throw .EOPNOTSUPP }
    guard credentials.owns(heap[inode].user) else { throw .EPERM }
    var permissions = permissions & 0o7777
    if !credentials.can(.keepSetGroup), !isMember(credentials, of: heap[inode].group) {
      permissions &= ~0o2000
    }
    heap[inode].mode = FileMode(heap[inode].mode.kind, permissions: permissions)
    noteChanged(inode)
  }

  /// Changes a file's owner and group; nil leaves it.
  ///
  /// - Throws: EROFS, EPERM. Linux: `chown_common()`.
  public func setOwner(
    of inode: Reference<Inode>, user: UInt32?, group: UInt32?, as credentials: Credentials
  ) throws(Errno) {
    try checkMayChange(inode)
    if !credentials.can(.changeOwner) {
      let isOwn = credentials.user == heap[inode].user
      if let user, !isOwn || user != heap[inode].user { throw .EPERM }
      if let group, !isOwn || !(isMember(credentials, of: group) || group == heap[inode].group) {
        throw .EPERM
      }
    }
    if let user { heap[inode].user = user }
    if let group { heap[inode].group = group }
    let mode = heap[inode].mode
    if !mode.isFolder {
      var permissions = mode.permissions & ~0o4000
      if permissions & 0o10 != 0 { permissions &= ~0o2000 }
      heap[inode].mode = FileMode(mode.kind, permissions: permissions)
    }
    noteChanged(inode)
  }

  /// Changes the times of the last access and the last change of contents.
  ///
  /// - Throws: EROFS; EPERM for given times of another's file; EACCES for the present of one that
  ///   one may not write. Linux: `vfs_utimes()`.
  public func setTimes(
    of inode: Reference<Inode>, accessed: TimeChange, modified: TimeChange,
    as credentials: Credentials
  ) throws(Errno) {
    try checkMayChange(inode)
    if case .now = accessed, case .now = modified {
      let mayWrite = allows(inode, .write, as: credentials)
      guard credentials.owns(heap[inode].user) || mayWrite else { throw .EACCES }
    } else {
      guard credentials.owns(heap[inode].user) else { throw .EPERM }
    }
    let now = currentTime
    switch accessed {
    case .none: break
    case .now: heap[inode].accessed = now
    case .given(let time): heap[inode].accessed = time
    }
    switch modified {
    case .none: break
    case .now: heap[inode].modified = now
    case .given(let time): heap[inode].modified = time
    }
    noteChanged(inode)
  }
}

extension TimeOfFile {
  func isAtMost(_ other: Self) -> Bool {
    seconds == other.seconds
      ? nanoseconds <= other.nanoseconds : seconds < other.seconds
  }
}
