// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageFrames

/// Making names.
extension FileSystems {
  /// Makes a folder, a pipe with a name, a device file, an empty file.
  ///
  /// - Parameter new: the mode with the rights that are left; who makes it, and in a folder that
  ///   hands down its group that one instead.
  /// - Throws: as `find`, and EEXIST, EROFS, EACCES, EPERM, ENOSPC, EMLINK, ENOMEM, EIO.
  /// - Context: may sleep.
  ///
  /// Linux: `do_mkdirat()`, `do_mknodat()`.
  public func make(
    _ new: NewFile, at path: PathText, from folder: Reference<Inode>,
    as credentials: Credentials
  ) throws(Errno) {
    let place = try findPlace(path, from: folder, as: credentials)
    defer { release(place.folder) }
    release(try make(new, at: place, target: nil, as: credentials))
  }

  /// Makes a symbolic link with a text. Linux: `do_symlinkat()`.
  ///
  /// - Throws: as `make`, and ENOENT where the text is empty.
  public func makeLink(
    to target: PathText, at path: PathText, from folder: Reference<Inode>,
    as credentials: Credentials
  ) throws(Errno) {
    guard !target.isEmpty else { throw .ENOENT }
    let place = try findPlace(path, from: folder, as: credentials)
    defer { release(place.folder) }
    let new = NewFile(
      mode: FileMode(.link, permissions: 0o777), user: credentials.user,
      group: credentials.group)
    release(try make(new, at: place, target: target.bytes, as: credentials))
  }

  /// - Returns: the file, counted for the caller.
  private func make(
    _ new: NewFile, at place: NamePlace, target: MemoryBlock?, as credentials: Credentials
  ) throws(Errno) -> Reference<Inode> {
    guard place.kind == .name else { throw .EEXIST }
    return try withNames(of: heap[place.folder].volume) { () throws(Errno) in
      if let existing = try existingChild(place.name, of: place.folder) {
        release(existing)
        throw .EEXIST
      }
      if place.hasSlash, !new.mode.isFolder { throw .ENOENT }
      return try makeMissing(new, at: place, target: target, as: credentials)
    }
  }

  /// Makes a file where a look-up found none. Names of the volume are kept meanwhile.
  func makeMissing(
    _ new: NewFile, at place: NamePlace, target: MemoryBlock?, as credentials: Credentials
  ) throws(Errno) -> Reference<Inode> {
    try checkMayChange(namesOf: place.folder)
    try checkMayMake(in: place.folder, as: credentials)
    let isDevice = new.mode.kind == .characterDevice || new.mode.kind == .blockDevice
    if isDevice, !credentials.can(.makeDevices) { throw .EPERM }
    var new = new
    inheritGroup(from: place.folder, &new)
    if heap[place.folder].tree == .memory {
      return try memoryMake(place.name, in: place.folder, new, target: target)
    }
    return try diskMake(place.name, in: place.folder, new, target: target)
  }

  /// Linux: `inode_init_owner()`.
  func inheritGroup(from folder: Reference<Inode>, _ new: inout NewFile) {
    guard heap[folder].mode.permissions & 0o2000 != 0 else { return }
    new.group = heap[folder].group
    if new.mode.isFolder { new.mode = FileMode(rawValue: new.mode.rawValue | 0o2000) }
  }

  /// Gives a file one more name.
  ///
  /// - Parameter inode: held by the caller.
  /// - Throws: as `make`, and EXDEV, EPERM for a folder, ENOENT for a file without names, EMLINK.
  /// - Context: may sleep.
  ///
  /// Linux: `do_linkat()`, `vfs_link()`.
  public func link(
    _ inode: Reference<Inode>, at path: PathText, from folder: Reference<Inode>,
    as credentials: Credentials
  ) throws(Errno) {
    let place = try findPlace(path, from: folder, as: credentials)
    defer { release(place.folder) }
    guard place.kind == .name else { throw .EEXIST }
    try withNames(of: heap[place.folder].volume) { () throws(Errno) in
      if let existing = try existingChild(place.name, of: place.folder) {
        release(existing)
        throw .EEXIST
      }
      if place.hasSlash { throw .ENOENT }
      try checkMayChange(namesOf: place.folder)
      guard heap[inode].volume == heap[place.folder].volume,
        heap[inode].tree == heap[place.folder].tree
      else { throw .EXDEV }
      try checkMayMake(in: place.folder, as: credentials)
      guard !heap[inode].mode.isFolder else { throw .EPERM }
      guard heap[inode].linkCount > 0 || heap[inode].isLinkable else { throw .ENOENT }
      if heap[inode].tree == .memory {
        try memoryLink(inode, place.name, in: place.folder)
      } else {
        try diskLink(inode, place.name, in: place.folder)
      }
      heap[inode].isLinkable = false
    }
  }
}
