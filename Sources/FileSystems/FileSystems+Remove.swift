// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageFrames

/// How a name is moved. Linux: the `RENAME_` flags.
public enum RenameKind: BitwiseCopyable, Sendable {
  /// What stands under the new name is replaced.
  case replacing
  /// Linux: `RENAME_NOREPLACE`.
  case fresh
  /// Linux: `RENAME_EXCHANGE`.
  case exchanging
}

/// Removing and moving names.
extension FileSystems {
  /// Removes a file's name; the file goes once nobody has it open.
  ///
  /// - Throws: as `find`, and EROFS, EACCES, EPERM, EISDIR, EIO.
  /// - Context: may sleep.
  ///
  /// Linux: `do_unlinkat()`.
  public func remove(
    _ path: PathText, from folder: Reference<Inode>, as credentials: Credentials
  ) throws(Errno) {
    let place = try findPlace(path, from: folder, as: credentials)
    defer { release(place.folder) }
    guard place.kind == .name else { throw .EISDIR }
    try checkMayChange(namesOf: place.folder)
    try withNames(of: heap[place.folder].volume) { () throws(Errno) in
      let inode = try child(place.name, of: place.folder)
      defer { release(inode) }
      if place.hasSlash { throw heap[inode].mode.isFolder ? .EISDIR : .ENOTDIR }
      try checkMayRemove(inode, from: place.folder, asFolder: false, as: credentials)
      if heap[inode].tree == .memory {
        memoryRemove(place.name, in: place.folder)
      } else {
        try diskRemove(inode, place.name, from: place.folder)
      }
    }
  }

  /// Removes an empty folder.
  ///
  /// - Throws: as `find`, and EROFS, EACCES, EPERM, ENOTDIR, ENOTEMPTY, EBUSY, EINVAL, EIO.
  /// - Context: may sleep.
  ///
  /// Linux: `do_rmdir()`.
  public func removeFolder(
    _ path: PathText, from folder: Reference<Inode>, as credentials: Credentials
  ) throws(Errno) {
    let place = try findPlace(path, from: folder, as: credentials)
    defer { release(place.folder) }
    switch place.kind {
    case .name: break
    case .dot: throw .EINVAL
    case .dotDot: throw .ENOTEMPTY
    case .root: throw .EBUSY
    }
    try checkMayChange(namesOf: place.folder)
    try withNames(of: heap[place.folder].volume) { () throws(Errno) in
      let inode = try child(place.name, of: place.folder)
      defer { release(inode) }
      try checkMayRemove(inode, from: place.folder, asFolder: true, as: credentials)
      if heap[inode].holdsMounts { throw .EBUSY }
      if heap[inode].tree == .memory {
        guard memoryIsEmpty(inode) else { throw .ENOTEMPTY }
        memoryRemove(place.name, in: place.folder)
      } else {
        try diskRemoveFolder(inode, place.name, from: place.folder)
      }
    }
  }

  /// Moves a name.
  ///
  /// - Throws: as `find`, and EXDEV, EROFS, EACCES, EPERM, EEXIST, EISDIR, ENOTDIR, ENOTEMPTY,
  ///   EBUSY, EINVAL, EMLINK, ENOSPC, ENOMEM, EIO.
  /// - Context: may sleep.
  ///
  /// Linux: `do_renameat2()`.
  public func rename(
    _ oldPath: PathText, from oldFolder: Reference<Inode>, to newPath: PathText,
    from newFolder: Reference<Inode>, _ kind: RenameKind, as credentials: Credentials
  ) throws(Errno) {
    let old = try findPlace(oldPath, from: oldFolder, as: credentials)
    defer { release(old.folder) }
    let new = try findPlace(newPath, from: newFolder, as: credentials)
    defer { release(new.folder) }
    guard heap[old.folder].volume == heap[new.folder].volume,
      heap[old.folder].tree == heap[new.folder].tree
    else { throw .EXDEV }
    guard old.kind == .name else { throw .EBUSY }
    guard new.kind == .name else { throw kind == .fresh ? .EEXIST : .EBUSY }
    try checkMayChange(namesOf: old.folder)
    try withNames(of: heap[old.folder].volume) { () throws(Errno) in
      let inode = try child(old.name, of: old.folder)
      defer { release(inode) }
      let target = try existingChild(new.name, of: new.folder)
      defer { if let target { release(target) } }
      try checkForm(old, inode, new, target, kind)
      try rename(old, inode, new, target, kind, credentials)
    }
  }

  /// What `do_renameat2` checks before it asks for rights.
  private func checkForm(
    _ old: NamePlace, _ inode: Reference<Inode>, _ new: NamePlace,
    _ target: Reference<Inode>?, _ kind: RenameKind
  ) throws(Errno) {
    if kind == .fresh, target != nil { throw .EEXIST }
    if kind == .exchanging {
      guard let target else { throw .ENOENT }
      if !heap[target].mode.isFolder, new.hasSlash { throw .ENOTDIR }
    }
    if !heap[inode].mode.isFolder {
      if old.hasSlash || (kind != .exchanging && new.hasSlash) { throw .ENOTDIR }
    }
    if try holds(inode, new.folder) { throw .EINVAL }
    if let target, try holds(target, old.folder) {
      throw kind == .exchanging ? .EINVAL : .ENOTEMPTY
    }
  }

  /// Whether a folder is another one, or one of those above it.
  private func holds(_ above: Reference<Inode>, _ folder: Reference<Inode>) throws(Errno) -> Bool {
    guard heap[above].mode.isFolder else { return false }
    var current = folder
    retain(current)
    defer { release(current) }
    while current != above {
      if isMountRoot(current) { return false }
      let next = try folderAbove(current)
      release(current)
      current = next
    }
    return true
  }

  /// The folder above a folder, counted for the caller.
  func folderAbove(_ folder: Reference<Inode>) throws(Errno) -> Reference<Inode> {
    try withPath("..") { (path) throws(Errno) in
      var rest = path
      return try child(rest.takeName(), of: folder)
    }
  }

  /// Linux: `vfs_rename()`.
  private func rename(
    _ old: NamePlace, _ inode: Reference<Inode>, _ new: NamePlace,
    _ target: Reference<Inode>?, _ kind: RenameKind, _ credentials: Credentials
  ) throws(Errno) {
    if target == inode { return }
    let isFolder = heap[inode].mode.isFolder
    try checkMayRemove(inode, from: old.folder, asFolder: isFolder, as: credentials)
    if let target {
      let asFolder = kind == .exchanging ? heap[target].mode.isFolder : isFolder
      try checkMayRemove(target, from: new.folder, asFolder: asFolder, as: credentials)
      if heap[target].holdsMounts { throw .EBUSY }
    } else {
      try checkMayMake(in: new.folder, as: credentials)
    }
    if heap[inode].holdsMounts { throw .EBUSY }
    if old.folder != new.folder {
      // The folder's own `..` changes.
      if isFolder, !allows(inode, .write, as: credentials) { throw .EACCES }
      if kind == .exchanging, let target, heap[target].mode.isFolder,
        !allows(target, .write, as: credentials)
      {
        throw .EACCES
      }
    }
    let move = NameMove(
      oldFolder: old.folder, oldName: old.name, newFolder: new.folder, newName: new.name)
    if heap[inode].tree == .memory {
      if kind == .exchanging { return try memoryExchange(move) }
      if let target, isFolder, !memoryIsEmpty(target) { throw .ENOTEMPTY }
      return try memoryRename(move)
    }
    if kind == .exchanging, let target { return try diskExchange(move, inode, target) }
    try diskRename(move, inode, replacing: target)
  }
}
