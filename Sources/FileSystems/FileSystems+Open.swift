// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// Opening and closing.
extension FileSystems {
  /// Opens the file that a path names.
  ///
  /// - Throws: as `find`, and EEXIST, EISDIR, ELOOP, EACCES, EROFS, ENXIO, ENOMEM.
  /// - Context: may sleep.
  ///
  /// Linux: `do_filp_open()`.
  public func open(
    _ path: PathText, from folder: Reference<Inode>, flags: OpenFlags,
    as credentials: Credentials = .administrator
  ) throws(Errno) -> Reference<OpenFile> {
    let isExclusive = flags.isSuperset(of: .create.union(.exclusive))
    let lastLink: LastLink = flags.contains(.noFollow) || isExclusive ? .kept : .followed
    let inode =
      flags.contains(.create)
      ? try findToCreate(path, from: folder, lastLink: lastLink, as: credentials)
      : try find(path, from: folder, lastLink: lastLink, as: credentials)
    do throws(Errno) {
      if isExclusive { throw .EEXIST }
      if flags.contains(.create), heap[inode].mode.isFolder { throw .EISDIR }
      return try open(consuming: inode, flags: flags, as: credentials)
    } catch {
      release(inode)
      throw error
    }
  }

  /// Opens a file that is at hand.
  ///
  /// - Parameter inode: counted anew for the open file.
  public func open(
    _ inode: Reference<Inode>, flags: OpenFlags, as credentials: Credentials = .administrator
  ) throws(Errno) -> Reference<OpenFile> {
    retain(inode)
    do {
      return try open(consuming: inode, flags: flags, as: credentials)
    } catch {
      release(inode)
      throw error
    }
  }

  /// The descriptor's file for one of the streams of the first program: 0, 1 or 2.
  public func openStandardStream(_ number: UInt32) throws(Errno) -> Reference<OpenFile> {
    let isTerminal = isTerminal(UInt64(number))
    var fresh = Inode(
      .streams, number: UInt64(number),
      mode: isTerminal
        ? FileMode(.characterDevice, permissions: 0o620) : FileMode(.pipe, permissions: 0o600))
    if isTerminal { fresh.device = DeviceNumber(major: 5, minor: 1) }
    stamp(&fresh, at: UInt32(truncatingIfNeeded: state.value.bootTime))
    let inode = try allocate(fresh)
    do {
      let flags: OpenFlags =
        isTerminal ? .readWrite : number == 0 ? OpenFlags(rawValue: 0) : .writeOnly
      return try open(consuming: inode, flags: flags, as: .administrator)
    } catch {
      release(inode)
      throw error
    }
  }

  /// Counts one more descriptor of an open file.
  public func retain(_ file: Reference<OpenFile>) { heap[file].references += 1 }

  /// Counts one descriptor less; the last one closes the file. Linux: `fput()`.
  ///
  /// - Context: any; never sleeps.
  public func release(_ file: Reference<OpenFile>) {
    precondition(heap[file].references > 0, "an open file was released too often")
    heap[file].references -= 1
    guard heap[file].references == 0 else { return }
    let inode = heap[file].inode
    if heap[file].behaviour == .pipe { closePipeEnd(of: file) }
    freeText(of: file)
    heap.free(file)
    release(inode)
  }

  /// As `find`, where a missing last name is one that could be made, if anything could.
  private func findToCreate(
    _ path: PathText, from folder: Reference<Inode>, lastLink: LastLink,
    as credentials: Credentials
  ) throws(Errno) -> Reference<Inode> {
    var walk = try beginWalk(path, from: folder, lastLink: lastLink, as: credentials)
    do {
      try finish(&walk)
      return walk.current
    } catch {
      defer { release(walk.current) }
      guard error == .ENOENT, walk.isAtLast else { throw error }
      throw refusalToChange(walk.current)
    }
  }

  /// Why nothing can be made or removed in a folder: no tree is writable.
  func refusalToChange(_ folder: Reference<Inode>) -> Errno {
    switch heap[folder].tree {
    case .disk: .EROFS
    case .processes: .ENOENT
    case .devices, .pipes, .streams: .EACCES
    }
  }

  /// - Parameter inode: its count becomes the open file's, unless this throws.
  private func open(
    consuming inode: Reference<Inode>, flags: OpenFlags, as credentials: Credentials
  ) throws(Errno) -> Reference<OpenFile> {
    let mode = heap[inode].mode
    let kept = OpenFlags(rawValue: flags.rawValue & ~Self.passingFlags)
    if flags.contains(.folder), !mode.isFolder { throw .ENOTDIR }
    if flags.contains(.pathOnly) {
      return try allocate(OpenFile(inode, .pathOnly, flags: .pathOnly))
    }
    if mode.isLink { throw .ELOOP }
    if mode.isFolder, flags.mayWrite || flags.contains(.truncate) { throw .EISDIR }
    var wish = AccessWish()
    if flags.mayRead { wish.formUnion(.read) }
    if flags.mayWrite || flags.contains(.truncate) { wish.formUnion(.write) }
    if heap[inode].tree == .disk, mode.isRegular, wish.contains(.write) { throw .EROFS }
    guard allows(inode, wish, as: credentials) else { throw .EACCES }
    let behaviour = try behaviour(of: inode)
    let file = try allocate(OpenFile(inode, behaviour, flags: kept))
    do {
      if behaviour == .text { try makeText(of: file) }
      if behaviour == .pipe { openPipeEnd(of: file) }
    } catch {
      freeText(of: file)
      heap.free(file)
      throw error
    }
    return file
  }

  private func behaviour(of inode: Reference<Inode>) throws(Errno) -> OpenFile.Behaviour {
    let mode = heap[inode].mode
    switch heap[inode].tree {
    case .streams:
      switch heap[inode].number {
      case 0: return .standardInput
      case 1: return .standardOutput
      default: return .standardError
      }
    case .pipes: return .pipe
    case .processes: return mode.isFolder ? .folder : .text
    case .disk, .devices:
      switch mode.kind {
      case .regular: return .regular
      case .folder: return .folder
      case .characterDevice: return try behaviour(ofDevice: heap[inode].device)
      default: throw .ENXIO
      }
    }
  }

  /// Flags that matter at opening only: create, exclusive, truncate, no terminal, close on exec.
  static var passingFlags: UInt32 { 0o2001700 }
}
