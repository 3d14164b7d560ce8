// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageFrames

/// Where a path's last name is looked up, made or removed.
///
/// Linux: what `filename_parentat()` gives.
struct NamePlace: BitwiseCopyable {
  /// What the last name is. Linux: `LAST_NORM` and its kin.
  enum Kind: BitwiseCopyable {
    case name
    case dot
    case dotDot
    /// The path is nothing but slashes.
    case root
  }

  /// Held by the one who asked.
  let folder: Reference<Inode>
  let name: FileName
  let kind: Kind
  /// A slash follows: the name is one of a folder.
  let hasSlash: Bool
}

extension FileSystems {
  /// Walks to the folder of a path's last name.
  ///
  /// - Returns: the place; its folder is counted for the caller.
  /// - Throws: as `find`, of all but the last name; ENOENT where the path is empty.
  /// - Context: may sleep.
  func findPlace(
    _ path: PathText, from folder: Reference<Inode>, as credentials: Credentials
  ) throws(Errno) -> NamePlace {
    var walk = try beginWalk(path, from: folder, lastLink: .kept, as: credentials)
    do {
      return try finishAtPlace(&walk)
    } catch {
      release(walk.current)
      throw error
    }
  }

  /// Goes to the folder of the path's last name. When it throws, `current` is where it stopped.
  func finishAtPlace(_ walk: inout PathWalk) throws(Errno) -> NamePlace {
    while true {
      walk.rest.skipSlashes()
      var ahead = walk.rest
      let name = ahead.takeName()
      guard ahead.isAtEnd else {
        try step(&walk)
        continue
      }
      let kind: NamePlace.Kind =
        name.byteCount == 0
        ? .root : name.equals(".") ? .dot : name.equals("..") ? .dotDot : .name
      guard heap[walk.current].mode.isFolder else { throw .ENOTDIR }
      guard allows(walk.current, .execute, as: walk.credentials) else { throw .EACCES }
      guard name.byteCount <= FileName.maximumByteCount else { throw .ENAMETOOLONG }
      return NamePlace(
        folder: walk.current, name: name, kind: kind, hasSlash: !ahead.isEmpty)
    }
  }

  /// The file of a name where there is one, counted for the caller.
  func existingChild(
    _ name: FileName, of folder: Reference<Inode>
  ) throws(Errno) -> Reference<Inode>? {
    do {
      return try child(name, of: folder)
    } catch {
      if error == .ENOENT { return nil }
      throw error
    }
  }

  /// Checks that names in a folder may be made.
  ///
  /// - Throws: ENOENT where it was removed, EACCES. Linux: `may_create()`.
  func checkMayMake(in folder: Reference<Inode>, as credentials: Credentials) throws(Errno) {
    guard heap[folder].linkCount > 0 else { throw .ENOENT }
    guard allows(folder, .write.union(.execute), as: credentials) else { throw .EACCES }
  }

  /// Checks that a name may be taken away from a folder.
  ///
  /// - Throws: EACCES; EPERM where the folder is sticky and neither it nor the file is one's own;
  ///   ENOTDIR, EISDIR, EBUSY where the file is of the wrong kind, or mounted on.
  ///
  /// Linux: `may_delete()`.
  func checkMayRemove(
    _ inode: Reference<Inode>, from folder: Reference<Inode>, asFolder: Bool,
    as credentials: Credentials
  ) throws(Errno) {
    guard allows(folder, .write.union(.execute), as: credentials) else { throw .EACCES }
    // A file of the root disk that shows in a file system over it.
    guard heap[inode].tree == heap[folder].tree else { throw .EBUSY }
    let isSticky = heap[folder].mode.permissions & 0o1000 != 0
    if isSticky, !credentials.owns(heap[inode].user), !credentials.owns(heap[folder].user) {
      throw .EPERM
    }
    if asFolder {
      guard heap[inode].mode.isFolder else { throw .ENOTDIR }
      guard !isMountRoot(inode) else { throw .EBUSY }
    } else if heap[inode].mode.isFolder {
      throw .EISDIR
    }
  }

  /// Refuses what cannot be changed because of where it is.
  ///
  /// - Throws: EROFS on a disk that is read-only; ENOENT, EACCES, EPERM in trees that the kernel
  ///   makes. Linux: `mnt_want_write()`.
  func checkMayChange(namesOf folder: Reference<Inode>) throws(Errno) {
    switch heap[folder].tree {
    case .memory, .disk: if isReadOnly(heap[folder].volume) { throw .EROFS }
    case .processes: throw .ENOENT
    case .system: throw .EPERM
    case .devices, .pipes, .streams, .sockets, .nameless: throw .EACCES
    }
  }
}
