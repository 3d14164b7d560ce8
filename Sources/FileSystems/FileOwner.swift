// SPDX-License-Identifier: Apache-2.0

import LinuxABI

/// Who is sent a signal when an open file is ready, and which.
///
/// Linux: `struct fown_struct`.
public struct FileOwner: BitwiseCopyable, Sendable {
  /// Linux: `F_OWNER_TID`, `F_OWNER_PID`, `F_OWNER_PGRP`.
  public enum Kind: UInt32, BitwiseCopyable, Sendable {
    case thread
    case process
    case group
  }

  public var kind = Kind.thread
  /// Of the thread, process or group; 0 where nobody is told.
  public var number: UInt32 = 0
  /// Which process since boot it was, of a thread or process.
  public var serial: UInt32 = 0
  /// Who asked for it. Linux: `uid`, `euid`.
  public var user: UInt32 = 0
  public var effectiveUser: UInt32 = 0
  /// Linux: `F_SETSIG`; 0 for SIGIO that tells nothing of the file.
  public var signal: UInt8 = 0

  public init() {}
}
