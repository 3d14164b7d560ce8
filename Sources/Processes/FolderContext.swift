// SPDX-License-Identifier: Apache-2.0

import FileSystems
import KernelHeap

/// Where a program's paths begin, and which rights its new files lack.
///
/// Linux: `struct fs_struct`.
struct FolderContext: HeapObject {
  static var cacheName: StaticString { "fs_cache" }
  static var cacheIndex: Int { 15 }

  /// Tasks that share it.
  var users: UInt32 = 1
  /// Held.
  var workingFolder: Reference<Inode>
  /// Where absolute paths begin, held; none: at the tree's root. Linux: `chroot`.
  var root = Link<Inode>(nil)
  /// Linux: `umask`.
  var creationMask: UInt32 = 0o022

  init(workingFolder: Reference<Inode>) { self.workingFolder = workingFolder }
}
