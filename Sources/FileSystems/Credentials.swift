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

  public init(user: UInt32, group: UInt32) {
    self.user = user
    self.group = group
  }

  public static var administrator: Self { Self(user: 0, group: 0) }

  /// Linux: `CAP_DAC_OVERRIDE`, `CAP_FOWNER`, `CAP_CHOWN`, `CAP_MKNOD`.
  public var isAdministrator: Bool { user == 0 }

  /// Whether what belongs to a user is one's own to change. Linux: `inode_owner_or_capable()`.
  public func owns(_ owner: UInt32) -> Bool { isAdministrator || user == owner }

  /// Linux: `in_group_p()`.
  public func isMember(of other: UInt32) -> Bool { group == other }
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
  /// The administrator may do all, but execute only what has any execute bit, or is a folder.
  ///
  /// Linux: `generic_permission()`.
  func allows(_ inode: Reference<Inode>, _ wish: AccessWish, as credentials: Credentials) -> Bool {
    let mode = heap[inode].mode
    if credentials.isAdministrator {
      return !wish.contains(.execute) || mode.isFolder || mode.permissions & 0o111 != 0
    }
    let bits =
      credentials.user == heap[inode].user
      ? mode.permissions >> 6
      : credentials.isMember(of: heap[inode].group) ? mode.permissions >> 3 : mode.permissions
    return AccessWish(rawValue: bits & 7).isSuperset(of: wish)
  }
}
