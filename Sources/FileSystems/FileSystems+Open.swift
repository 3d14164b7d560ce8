// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageFrames

/// Opening and closing.
extension FileSystems {
  /// Opens the file that a path names, or makes it.
  ///
  /// - Parameter permissions: of a file that is made, without what its maker masks.
  /// - Throws: as `find` and `make`, and EEXIST, EISDIR, ELOOP, EACCES, EROFS, ENXIO, EINVAL,
  ///   EPERM, EOPNOTSUPP, ENOMEM.
  /// - Context: may sleep.
  ///
  /// Linux: `do_filp_open()`.
  public func open(
    _ path: PathText, from folder: Reference<Inode>, flags: OpenFlags,
    permissions: UInt16 = 0o644, as credentials: Credentials = .administrator
  ) throws(Errno) -> Reference<OpenFile> {
    let flags = try flags.checked()
    let lastLink: LastLink = flags.contains(.noFollow) ? .kept : .followed
    let inode: Reference<Inode>
    if flags.contains(.temporary) {
      let above = try find(path, from: folder, lastLink: lastLink, as: credentials)
      defer { release(above) }
      inode = try makeNameless(in: above, flags, permissions, as: credentials)
    } else if flags.contains(.create) {
      var walk = try beginWalk(path, from: folder, lastLink: lastLink, as: credentials)
      do {
        if try findOrMake(&walk, flags, permissions) {
          return try open(made: walk.current, flags: flags)
        }
      } catch {
        release(walk.current)
        throw error
      }
      inode = walk.current
    } else {
      inode = try find(path, from: folder, lastLink: lastLink, as: credentials)
    }
    if flags.contains(.temporary) { return try open(made: inode, flags: flags) }
    do throws(Errno) {
      return try open(consuming: inode, flags: flags, as: credentials)
    } catch {
      release(inode)
      throw error
    }
  }

  /// Opens a file that this opening made: its mode does not stand in the way.
  private func open(
    made inode: Reference<Inode>, flags: OpenFlags
  ) throws(Errno) -> Reference<OpenFile> {
    do {
      let flags = OpenFlags(rawValue: flags.rawValue & ~OpenFlags.truncate.rawValue)
      return try makeWritableFile(consuming: inode, flags: flags)
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
    if isTerminal(UInt64(number)) {
      let inode = try deviceInode(.console)
      do {
        return try openTerminal(console(), inode, flags: .readWrite)
      } catch {
        release(inode)
        throw error
      }
    }
    var fresh = Inode(
      .streams, of: .nameless, number: UInt64(number),
      mode: FileMode(.pipe, permissions: 0o600))
    stamp(&fresh, at: bootTime)
    let inode = try allocate(fresh)
    do {
      let flags: OpenFlags = number == 0 ? OpenFlags(rawValue: 0) : .writeOnly
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
    guard heap[file].references == 0 else {
      if heap[file].behaviour == .socket { noteSocketReleased(file) }
      return
    }
    let inode = heap[file].inode
    if heap[file].countsAsWriter { endWriting(inode) }
    state.value.openFileCount -= 1
    removeLocks(of: file)
    if heap[file].firstEntry.raw != 0 { removeEntries(of: file) }
    endSignals(of: file)
    if heap[file].behaviour == .pipe { closePipeEnd(of: file) }
    if case .special(let kind) = heap[file].behaviour { closeSpecial(file, kind) }
    if heap[file].behaviour == .socket { closeSocket(of: file) }
    freeText(of: file)
    heap.free(file)
    release(inode)
  }

  /// Goes to a path's last name, and makes a file there if there is none.
  ///
  /// - Returns: whether `current` was made.
  /// - Throws: EEXIST where none may be there; `current` is where it stopped.
  ///
  /// Linux: `open_last_lookups()`, `lookup_open()`.
  private func findOrMake(
    _ walk: inout PathWalk, _ flags: OpenFlags, _ permissions: UInt16
  ) throws(Errno) -> Bool {
    let isExclusive = flags.contains(.exclusive)
    while true {
      let place = try finishAtPlace(&walk)
      guard place.kind == .name else {
        if isExclusive { throw .EEXIST }
        throw .EISDIR
      }
      if place.hasSlash { throw .EISDIR }
      walk.rest = PathText(block: walk.rest.block, start: walk.rest.end)
      let found = try childOrMade(place, flags, permissions, walk.credentials)
      if found.isMade {
        release(walk.current)
        walk.current = found.inode
        return true
      }
      if heap[found.inode].mode.isLink, walk.lastLink == .followed, !isExclusive {
        defer { release(found.inode) }
        try follow(found.inode, &walk)
        if walk.rest.isEmpty {
          // The link stands for a file that has no path.
          if heap[walk.current].mode.isFolder { throw .EISDIR }
          return false
        }
        continue
      }
      release(walk.current)
      walk.current = found.inode
      if isExclusive { throw .EEXIST }
      if heap[found.inode].mode.isFolder { throw .EISDIR }
      return false
    }
  }

  private func childOrMade(
    _ place: NamePlace, _ flags: OpenFlags, _ permissions: UInt16, _ credentials: Credentials
  ) throws(Errno) -> (inode: Reference<Inode>, isMade: Bool) {
    if let found = try existingChild(place.name, of: place.folder) { return (found, false) }
    try checkMayChange(namesOf: place.folder)
    return try withNames(of: heap[place.folder].volume) { () throws(Errno) in
      if let found = try existingChild(place.name, of: place.folder) { return (found, false) }
      let new = NewFile(
        mode: FileMode(.regular, permissions: permissions), user: credentials.user,
        group: credentials.group)
      let made = try makeMissing(new, at: place, target: nil, as: credentials)
      return (made, true)
    }
  }

  /// Linux: `do_tmpfile()`.
  private func makeNameless(
    in folder: Reference<Inode>, _ flags: OpenFlags, _ permissions: UInt16,
    as credentials: Credentials
  ) throws(Errno) -> Reference<Inode> {
    guard heap[folder].mode.isFolder else { throw .ENOTDIR }
    var new = NewFile(
      mode: FileMode(.regular, permissions: permissions), user: credentials.user,
      group: credentials.group)
    switch heap[folder].tree {
    case .memory, .disk: if isReadOnly(heap[folder].volume) { throw .EROFS }
    case .devices, .processes, .system, .pipes, .streams, .sockets, .nameless:
      throw .EOPNOTSUPP
    }
    guard allows(folder, .write.union(.execute), as: credentials) else { throw .EACCES }
    inheritGroup(from: folder, &new)
    let inode =
      heap[folder].tree == .memory
      ? try makeMemoryInode(new, of: heap[folder].volume)
      : try diskMakeNameless(in: folder, new)
    heap[inode].isLinkable = !flags.contains(.exclusive)
    return inode
  }

  /// - Parameter inode: its count becomes the open file's, unless this throws.
  private func open(
    consuming inode: Reference<Inode>, flags: OpenFlags, as credentials: Credentials
  ) throws(Errno) -> Reference<OpenFile> {
    let mode = heap[inode].mode
    if flags.contains(.folder), !mode.isFolder { throw .ENOTDIR }
    if flags.contains(.pathOnly) {
      return try enter(OpenFile(inode, .pathOnly, flags: .pathOnly))
    }
    if mode.isLink { throw .ELOOP }
    let cuts = flags.contains(.truncate)
    if mode.isFolder, flags.mayWrite || cuts { throw .EISDIR }
    var wish = AccessWish()
    if flags.mayRead { wish.formUnion(.read) }
    if flags.mayWrite || (cuts && mode.isRegular) { wish.formUnion(.write) }
    let isDevice = mode.kind == .characterDevice || mode.kind == .blockDevice
    if isDevice, heap[inode].volume.refusesDevices { throw .EACCES }
    let isHeld = mode.isRegular || mode.isFolder
    if isHeld, wish.contains(.write), isReadOnly(heap[inode].volume) { throw .EROFS }
    guard allows(inode, wish, as: credentials), isSettable(inode, wish) else { throw .EACCES }
    if flags.contains(.noAccessTime), !credentials.owns(heap[inode].user) { throw .EPERM }
    let isText = heap[inode].tree == .processes || heap[inode].tree == .system
    var flags = flags
    if !mode.isRegular || isText { flags.subtract(.truncate) }
    return try makeWritableFile(consuming: inode, flags: flags)
  }

  /// Opens a file that counts those who write it, from before it is cut.
  ///
  /// - Throws: ETXTBSY where it runs, and as `truncate`.
  private func makeWritableFile(
    consuming inode: Reference<Inode>, flags: OpenFlags
  ) throws(Errno) -> Reference<OpenFile> {
    let writes = try beginWriting(inode, flags)
    do throws(Errno) {
      if flags.contains(.truncate) { try truncate(inode, to: 0) }
      let file = try makeOpenFile(consuming: inode, flags: flags)
      heap[file].countsAsWriter = writes
      return file
    } catch {
      if writes { endWriting(inode) }
      throw error
    }
  }

  /// - Parameter inode: its count becomes the open file's, unless this throws.
  private func makeOpenFile(
    consuming inode: Reference<Inode>, flags: OpenFlags
  ) throws(Errno) -> Reference<OpenFile> {
    let kept = OpenFlags(rawValue: flags.rawValue & ~Self.passingFlags)
    if heap[inode].mode.kind == .characterDevice,
      let file = try openTerminal(at: inode, flags: flags)
    {
      return file
    }
    let behaviour = try behaviour(of: inode)
    let file = try enter(OpenFile(inode, behaviour, flags: kept))
    heap[file].toldErrors = startOfErrors(of: inode)
    do {
      if behaviour == .text { try checkText(of: file) }
      if behaviour == .pipe { try openPipeEnd(of: file) }
    } catch {
      freeText(of: file)
      state.value.openFileCount -= 1
      heap.free(file)
      throw error
    }
    return file
  }

  func enter(_ file: OpenFile) throws(Errno) -> Reference<OpenFile> {
    let reference = try allocate(file)
    state.value.openFileCount += 1
    return reference
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
    case .sockets, .nameless: throw .ENXIO
    case .processes, .system: return mode.isFolder ? .folder : .text
    case .disk, .memory, .devices:
      switch mode.kind {
      case .regular: return .regular
      case .folder: return .folder
      case .pipe: return .pipe
      case .characterDevice: return try behaviour(ofDevice: heap[inode].device)
      default: throw .ENXIO
      }
    }
  }

  /// Flags that matter at opening only: create, exclusive, truncate, no terminal, close on exec.
  static var passingFlags: UInt32 { 0o2001700 }
}
