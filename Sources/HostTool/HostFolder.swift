// SPDX-License-Identifier: Apache-2.0

import CHostSystem
import Glibc

/// What the host says about a path.
struct FileFacts: Equatable {
  enum Kind { case regular, folder, link, other }

  var kind: Kind
  /// Size of the content in bytes.
  var size: UInt64
  /// The permission bits.
  var permissions: UInt32
  var device: UInt64
  var inode: UInt64
  /// Names of the file.
  var linkCount: UInt32
  /// Nanoseconds since the epoch: of the last change of the content, and of anything.
  var modified: UInt64
  var changed: UInt64

  enum Links { case follow, tell }

  init(_ path: String, links: Links = .follow) throws(HostError) {
    var facts = file_facts()
    // SAFETY: a terminated path and a structure that lives for the length of the call.
    let result = unsafe read_facts(path, links == .follow ? 1 : 0, &facts)
    if result != 0 { throw HostError(-result) }
    kind =
      switch facts.mode & 0o170000 {
      case 0o100000: .regular
      case 0o040000: .folder
      case 0o120000: .link
      default: .other
      }
    size = facts.size
    permissions = facts.mode & 0o7777
    device = facts.device
    inode = facts.inode
    linkCount = facts.links
    modified = facts.modified
    changed = facts.changed
  }
}

/// Folders and names of the host.
enum HostFolder {
  static var current: String {
    // SAFETY: getcwd(nil) allocates a terminated text, which is freed here.
    guard let text = unsafe getcwd(nil, 0) else { return "/" }
    defer { unsafe free(text) }
    return unsafe String(cString: text)
  }

  /// The names in a folder, sorted by their bytes, without `.` and `..`.
  ///
  /// - Throws: EILSEQ for a name that is not UTF-8, which no text here could hold.
  static func names(in path: String) throws(HostError) -> [String] {
    // SAFETY: the path is terminated; the stream is closed below.
    guard let stream = unsafe opendir(path) else { throw HostError(errno) }
    defer { unsafe closedir(stream) }
    var names: [String] = []
    // SAFETY: the entry lives until the next call, and its name is terminated.
    while let entry = unsafe readdir(stream) {
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { field in
        unsafe String(
          validatingCString: UnsafeRawPointer(field).assumingMemoryBound(to: CChar.self))
      }
      guard let name else { throw HostError(EILSEQ) }
      if name != "." && name != ".." { names.append(name) }
    }
    return names.sorted(by: precedesByBytes)
  }

  static func linkTarget(of path: String) throws(HostError) -> String {
    var buffer = [UInt8](repeating: 0, count: 4096)
    // SAFETY: the buffer's own length is passed.
    let count = unsafe buffer.withUnsafeMutableBytes { bytes in
      unsafe readlink(path, bytes.baseAddress!.assumingMemoryBound(to: CChar.self), bytes.count)
    }
    if count < 0 { throw HostError(errno) }
    return String(decoding: buffer[..<count], as: UTF8.self)
  }

  /// Makes a folder and those above it that are missing.
  static func make(_ path: String) throws(HostError) {
    // SAFETY: the path is terminated.
    if unsafe mkdir(path, 0o755) == 0 || errno == EEXIST { return }
    guard errno == ENOENT, let above = folder(of: path) else { throw HostError(errno) }
    try make(above)
    // SAFETY: as above.
    if unsafe mkdir(path, 0o755) != 0, errno != EEXIST { throw HostError(errno) }
  }

  /// Removes a file, or a folder with all that is in it; links are not followed.
  static func remove(_ path: String) throws(HostError) {
    let facts = try FileFacts(path, links: .tell)
    if facts.kind == .folder {
      for name in try names(in: path) { try remove("\(path)/\(name)") }
      // SAFETY: the path is terminated.
      if unsafe rmdir(path) != 0 { throw HostError(errno) }
    } else if unsafe unlink(path) != 0 {  // SAFETY: the path is terminated.
      throw HostError(errno)
    }
  }

  static func rename(_ old: String, to new: String) throws(HostError) {
    // SAFETY: both paths are terminated.
    if unsafe Glibc.rename(old, new) != 0 { throw HostError(errno) }
  }

  /// The path of the folder that a path lies in, or nil at the top.
  static func folder(of path: String) -> String? {
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return nil }
    if slash == path.utf8.startIndex { return path.utf8.count == 1 ? nil : "/" }
    return String(path[..<slash])
  }

  /// An absolute path without `.`, `..` and doubled slashes. Links are not looked at.
  static func absolute(_ path: String, from folder: String) -> String {
    let whole = path.hasPrefix("/") ? path : "\(folder)/\(path)"
    var parts: [Substring] = []
    for part in whole.split(separator: "/") where part != "." {
      if part == ".." { _ = parts.popLast() } else { parts.append(part) }
    }
    return "/" + parts.joined(separator: "/")
  }
}

/// The order of two names by their bytes, which no language setting changes.
func precedesByBytes(_ left: String, _ right: String) -> Bool {
  left.utf8.lexicographicallyPrecedes(right.utf8)
}
