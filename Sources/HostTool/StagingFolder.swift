// SPDX-License-Identifier: Apache-2.0

import CHostSystem
import Glibc

/// The content of a root disk laid out as files for `mke2fs -d`.
struct StagingFolder {
  let path: String

  init(_ path: String) { self.path = path }

  /// Copies every entry; permissions of folders come last, since one may forbid writing in it.
  func fill(with contents: RootContents) throws(HostError) {
    try HostFolder.make(path)
    var staged: [FileIdentity: String] = [:]
    for entry in contents.paths {
      let target = path + entry
      switch contents.entries[entry] {
      case .folder: try HostFolder.make(target)
      case .file(let content):
        try place(content, at: target, staged: &staged)
      case .link(let text):
        // SAFETY: both paths are terminated.
        if unsafe symlink(text, target) != 0 { throw HostError(errno) }
      case .text(let text):
        try HostFile.write(Array(text.utf8), to: target)
        try setPermissions(0o644, of: target)
        try setTime(RootDisk.epoch, of: target)
      case nil: break
      }
    }
    for entry in contents.paths.reversed() {
      guard case .folder(let permissions) = contents.entries[entry] else { continue }
      try setPermissions(permissions, of: path + entry)
    }
    try setPermissions(0o755, of: path)
  }

  /// Copies a file, or links it where another name of it is there already.
  private func place(
    _ content: HostContent, at target: String, staged: inout [FileIdentity: String]
  ) throws(HostError) {
    let identity = FileIdentity(content.facts)
    if content.facts.linkCount > 1 {
      // SAFETY: both paths are terminated.
      if let first = staged[identity], unsafe link(first, target) == 0 { return }
      staged[identity] = target
    }
    // SAFETY: both paths are terminated.
    let result = unsafe copy_content(content.path, target)
    if result != 0 { throw HostError(-result) }
    try setPermissions(content.permissions, of: target)
    try setTime(content.time, of: target)
  }

  private func setTime(_ time: UInt64, of path: String) throws(HostError) {
    // SAFETY: the path is terminated.
    let result = unsafe set_time(path, time)
    if result != 0 { throw HostError(-result) }
  }

  /// What two names of one file have in common.
  struct FileIdentity: Hashable {
    private var device: UInt64
    private var inode: UInt64

    init(_ facts: FileFacts) {
      device = facts.device
      inode = facts.inode
    }
  }

  /// Makes every folder writable again, so that all can be removed.
  func open(_ contents: RootContents) {
    for entry in contents.paths {
      guard case .folder = contents.entries[entry] else { continue }
      // What is not there needs no permission.
      try? setPermissions(0o700, of: path + entry)
    }
  }

  private func setPermissions(_ permissions: UInt32, of path: String) throws(HostError) {
    // SAFETY: the path is terminated.
    if unsafe chmod(path, permissions) != 0 { throw HostError(errno) }
  }
}
