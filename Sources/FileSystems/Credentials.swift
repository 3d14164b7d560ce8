// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import LinuxABI
import MemoryUnits

/// As whom a file is touched. Linux: `struct cred`.
public struct Credentials: BitwiseCopyable, Sendable {
  public var user: UInt32
  public var group: UInt32
  /// Where absolute paths begin and `..` ends; none: at the tree's root. Linux: `chroot`.
  public var root = Link<Inode>(nil)

  /// Other groups of the running task, which outlives every call. Linux: `group_info`.
  public var groups = Link<GroupList>(nil)
  /// A bit for each. Linux: `cap_effective`.
  public var capabilities: UInt64

  /// The administrator can do all, others nothing that takes a capability.
  public init(user: UInt32, group: UInt32) {
    self.user = user
    self.group = group
    capabilities = user == 0 ? Capability.all : 0
  }

  public static var administrator: Self { Self(user: 0, group: 0) }

  /// Linux: `capable()`.
  public func can(_ capability: Capability) -> Bool {
    capabilities >> UInt64(capability.rawValue) & 1 != 0
  }

  /// Whether what belongs to a user is one's own to change. Linux: `inode_owner_or_capable()`.
  public func owns(_ owner: UInt32) -> Bool { user == owner || can(.ownAll) }
}

/// What somebody wants to do with a file: the bits of one class of a mode.
public struct AccessWish: FlagSet, BitwiseCopyable, Sendable {
  public var rawValue: UInt16

  public init(rawValue: UInt16) { self.rawValue = rawValue }

  /// Linux: `R_OK`.
  public static var read: Self { Self(rawValue: 4) }
  /// Linux: `W_OK`.
  public static var write: Self { Self(rawValue: 2) }
  /// Of a folder: to look names up in it. Linux: `X_OK`.
  public static var execute: Self { Self(rawValue: 1) }
}

extension FileSystems {
  /// Whether a file's mode lets somebody do what they want.
  ///
  /// Who overrides rights may do all, but execute only what has any execute bit, or is a folder;
  /// who may read all may also look into every folder.
  ///
  /// Linux: `generic_permission()`.
  func allows(_ inode: Reference<Inode>, _ wish: AccessWish, as credentials: Credentials) -> Bool {
    let mode = heap[inode].mode
    let bits: UInt16
    if credentials.user == heap[inode].user {
      bits = mode.permissions >> 6
    } else if isMember(credentials, of: heap[inode].group) {
      bits = mode.permissions >> 3
    } else {
      bits = mode.permissions
    }
    if AccessWish(rawValue: bits & 7).isSuperset(of: wish) { return true }
    if credentials.can(.overrideRights) {
      return !wish.contains(.execute) || mode.isFolder || mode.permissions & 0o111 != 0
    }
    guard credentials.can(.readAll) else { return false }
    return mode.isFolder ? !wish.contains(.write) : wish == .read
  }

  /// Linux: `in_group_p()`.
  func isMember(_ credentials: Credentials, of group: UInt32) -> Bool {
    if credentials.group == group { return true }
    var next = credentials.groups
    while let list = next.reference {
      for index in 0..<heap[list].count where heap[list].group(at: index) == group { return true }
      next = heap[list].next
    }
    return false
  }

  /// Takes the rights to act as its owner or group from a file that is written.
  ///
  /// Linux: `file_remove_privs()`, `setattr_should_drop_suidgid()`.
  func dropRights(ofWritten inode: Reference<Inode>) {
    let mode = heap[inode].mode
    guard mode.isRegular, mode.permissions & 0o6000 != 0 else { return }
    let writer = environment.credentials
    guard !writer.can(.keepSetGroup) else { return }
    var permissions = mode.permissions & ~0o4000
    let isExecutable = permissions & 0o10 != 0
    if isExecutable || !isMember(writer, of: heap[inode].group) { permissions &= ~0o2000 }
    heap[inode].mode = FileMode(mode.kind, permissions: permissions)
  }
}
