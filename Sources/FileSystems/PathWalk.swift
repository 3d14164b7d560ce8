// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import LinuxABI
import Machine
import MemoryEvents
import MemoryUnits

/// Whether a link at a path's end stands for what it points to.
public enum LastLink: BitwiseCopyable, Sendable {
  case followed
  case kept
}

/// A walk along a path, of one task: where it is and what is left.
struct PathWalk: BitwiseCopyable {
  /// The folder or file that was reached; held.
  var current: Reference<Inode>
  var rest: PathText
  var linkCount = 0
  /// The name being looked up is the path's last.
  var isAtLast = false
  let lastLink: LastLink
  let credentials: Credentials

  /// Linux: `MAXSYMLINKS`.
  static var maximumLinkCount: Int { 40 }
}

extension FileSystems {
  /// The file that a path names, counted for the caller.
  ///
  /// - Parameter folder: where a relative path begins; not consumed.
  /// - Throws: ENOENT, ENOTDIR, EACCES, ENAMETOOLONG, ELOOP, EIO, ENOMEM.
  /// - Context: may sleep.
  ///
  /// Linux: `path_lookupat()`.
  public func find(
    _ path: PathText, from folder: Reference<Inode>, lastLink: LastLink = .followed,
    as credentials: Credentials = .administrator
  ) throws(Errno) -> Reference<Inode> {
    // Links that are followed overwrite the path, so it is named beforehand.
    let digest = path.digest
    var walk = try beginWalk(path, from: folder, lastLink: lastLink, as: credentials)
    do {
      try finish(&walk)
      return walk.current
    } catch {
      release(walk.current)
      if error == .ENOENT, !path.isEmpty { noteMissing(path, from: folder, digest: digest) }
      throw error
    }
  }

  private func rootFolder(of credentials: Credentials) throws(Errno) -> Reference<Inode> {
    guard let root = credentials.root.reference else { return try rootFolder() }
    retain(root)
    return root
  }

  func beginWalk(
    _ path: PathText, from folder: Reference<Inode>, lastLink: LastLink,
    as credentials: Credentials
  ) throws(Errno) -> PathWalk {
    guard !path.isEmpty else { throw .ENOENT }
    let start: Reference<Inode>
    if path.isAbsolute {
      start = try rootFolder(of: credentials)
    } else {
      start = folder
      retain(start)
    }
    return PathWalk(current: start, rest: path, lastLink: lastLink, credentials: credentials)
  }

  /// Goes to the path's end. When it throws, `current` is where it stopped, still held.
  func finish(_ walk: inout PathWalk) throws(Errno) {
    while true {
      let hadSlash = walk.rest.skipSlashes()
      if walk.rest.isEmpty {
        guard !hadSlash || heap[walk.current].mode.isFolder else { throw .ENOTDIR }
        return
      }
      try step(&walk)
    }
  }

  /// Goes on by one name.
  func step(_ walk: inout PathWalk) throws(Errno) {
    guard heap[walk.current].mode.isFolder else { throw .ENOTDIR }
    guard allows(walk.current, .execute, as: walk.credentials) else { throw .EACCES }
    let name = walk.rest.takeName()
    guard name.byteCount <= FileName.maximumByteCount else { throw .ENAMETOOLONG }
    walk.isAtLast = walk.rest.isAtEnd
    if name.equals(".."), walk.credentials.root.reference == walk.current { return }
    let next = try child(name, of: walk.current)
    // A slash behind the last name asks for what a link points to.
    let isFollowed = !walk.rest.isEmpty || walk.lastLink == .followed
    guard heap[next].mode.isLink, isFollowed else {
      release(walk.current)
      walk.current = next
      return
    }
    defer { release(next) }
    try follow(next, &walk)
  }

  /// Goes on to where a link points.
  func follow(_ link: Reference<Inode>, _ walk: inout PathWalk) throws(Errno) {
    walk.linkCount += 1
    guard walk.linkCount <= PathWalk.maximumLinkCount else { throw .ELOOP }
    if let target = try directTarget(of: link) {
      release(walk.current)
      walk.current = target
      return
    }
    let count = Int(try linkByteCount(link))
    guard count > 0 else { throw .ENOENT }
    let start = walk.rest.start - count
    guard start >= 0 else { throw .ENAMETOOLONG }
    let copied = try readLink(link, to: .kernel(walk.rest.block, at: start), byteCount: count)
    guard copied == count else { throw .EIO }
    walk.rest.start = start
    if walk.rest.isAbsolute {
      let root = try rootFolder(of: walk.credentials)
      release(walk.current)
      walk.current = root
    }
  }

  /// The file of a name in any folder, counted for the caller.
  ///
  /// - Throws: ENOENT, EIO, ENOMEM.
  /// - Context: may sleep.
  func child(_ name: FileName, of folder: Reference<Inode>) throws(Errno) -> Reference<Inode> {
    if name.equals(".") {
      retain(folder)
      return folder
    }
    if name.equals(".."), isMountRoot(folder) {
      return try folderAbove(mount: heap[folder].volume)
    }
    if heap[folder].holdsMounts, let root = mountedRoot(name, in: folder) {
      retain(root)
      return root
    }
    switch heap[folder].tree {
    case .disk: return uncovered(try diskChild(name, of: folder))
    case .memory: return try memoryChild(name, of: folder)
    case .devices:
      if name.equals("..") { return try deviceInode(.folder) }
      return try deviceChild(name, of: folder)
    case .processes: return try processChild(name, of: folder)
    case .system: return try systemChild(name, of: folder)
    case .pipes, .streams, .sockets, .nameless: throw .ENOTDIR
    }
  }
}
