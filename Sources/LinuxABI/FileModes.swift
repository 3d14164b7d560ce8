// SPDX-License-Identifier: Apache-2.0

import MemoryUnits

import MemoryUnits

/// What a file is and who may do what with it. Linux: `mode_t`.
public struct FileMode: BitwiseCopyable, Sendable, Equatable {
  public var rawValue: UInt16

  public init(rawValue: UInt16) { self.rawValue = rawValue }

  public init(_ kind: FileMode, permissions: UInt16) {
    rawValue = kind.rawValue | permissions & 0o7777
  }

  /// Linux: `S_IFMT`.
  public static var kindMask: UInt16 { 0o170000 }
  /// Linux: `S_IFIFO`.
  public static var pipe: Self { Self(rawValue: 0o010000) }
  /// Linux: `S_IFCHR`.
  public static var characterDevice: Self { Self(rawValue: 0o020000) }
  /// Linux: `S_IFDIR`.
  public static var folder: Self { Self(rawValue: 0o040000) }
  /// Linux: `S_IFBLK`.
  public static var blockDevice: Self { Self(rawValue: 0o060000) }
  /// Linux: `S_IFREG`.
  public static var regular: Self { Self(rawValue: 0o100000) }
  /// Linux: `S_IFLNK`.
  public static var link: Self { Self(rawValue: 0o120000) }
  /// Linux: `S_IFSOCK`.
  public static var socket: Self { Self(rawValue: 0o140000) }

  public var kind: Self { Self(rawValue: rawValue & Self.kindMask) }
  public var permissions: UInt16 { rawValue & 0o7777 }
  public var isFolder: Bool { kind == .folder }
  public var isRegular: Bool { kind == .regular }
  public var isLink: Bool { kind == .link }

  /// As a folder's entry tells it. Linux: `DT_DIR` and its kin.
  public var entryKind: UInt8 { UInt8(rawValue >> 12) }
}

/// How a file is opened. Linux: the `O_` flags of x86-64.
public struct OpenFlags: FlagSet, BitwiseCopyable, Sendable {
  public var rawValue: UInt32

  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// Linux: `O_ACCMODE`.
  public static var accessMask: UInt32 { 3 }
  /// Linux: `O_WRONLY`.
  public static var writeOnly: Self { Self(rawValue: 1) }
  /// Linux: `O_RDWR`.
  public static var readWrite: Self { Self(rawValue: 2) }
  /// Linux: `O_CREAT`.
  public static var create: Self { Self(rawValue: 0o100) }
  /// Linux: `O_EXCL`.
  public static var exclusive: Self { Self(rawValue: 0o200) }
  /// Linux: `O_NOCTTY`.
  public static var noControllingTerminal: Self { Self(rawValue: 0o400) }
  /// Linux: `O_TRUNC`.
  public static var truncate: Self { Self(rawValue: 0o1000) }
  /// Linux: `O_APPEND`.
  public static var append: Self { Self(rawValue: 0o2000) }
  /// Linux: `O_NONBLOCK`.
  public static var nonBlocking: Self { Self(rawValue: 0o4000) }
  /// Linux: `FASYNC`, `O_ASYNC`.
  public static var signalsReadiness: Self { Self(rawValue: 0o20000) }
  /// Linux: `O_DIRECT`.
  public static var direct: Self { Self(rawValue: 0o40000) }
  /// Linux: `O_LARGEFILE`.
  public static var largeFile: Self { Self(rawValue: 0o100000) }
  /// Linux: `O_DIRECTORY`.
  public static var folder: Self { Self(rawValue: 0o200000) }
  /// Linux: `O_NOFOLLOW`.
  public static var noFollow: Self { Self(rawValue: 0o400000) }
  /// Linux: `O_NOATIME`.
  public static var noAccessTime: Self { Self(rawValue: 0o1000000) }
  /// Linux: `O_CLOEXEC`: a property of the descriptor, not of the open file.
  public static var closeOnExecute: Self { Self(rawValue: 0o2000000) }
  /// Linux: `O_PATH`.
  public static var pathOnly: Self { Self(rawValue: 0o10000000) }
  /// Linux: `O_TMPFILE`, without the bit it shares with `O_DIRECTORY`.
  public static var temporary: Self { Self(rawValue: 0o20000000) }

  /// Linux: `O_DSYNC`.
  public static var dataSynchronous: Self { Self(rawValue: 0o10000) }
  /// Linux: `O_SYNC`, which includes `O_DSYNC`.
  public static var synchronous: Self { Self(rawValue: 0o4010000) }
  /// Linux: `VALID_OPEN_FLAGS`.
  public static var known: UInt32 { 0o37777703 }

  /// The flags as `open` takes them: what is unknown is left out, `O_PATH` rules out most others.
  ///
  /// - Throws: EINVAL for what does not go together. Linux: `build_open_flags()`.
  public func checked() throws(Errno) -> Self {
    let flags = Self(rawValue: rawValue & Self.known)
    if flags.contains(.pathOnly) {
      return flags.intersection(
        .pathOnly.union(.folder).union(.noFollow).union(.closeOnExecute))
    }
    if flags.contains(.folder), flags.contains(.create) { throw .EINVAL }
    if flags.contains(.temporary), !flags.contains(.folder) || !flags.mayWrite { throw .EINVAL }
    return flags
  }

  public var mayRead: Bool { rawValue & Self.accessMask != 1 }
  public var mayWrite: Bool { rawValue & Self.accessMask != 0 }

  /// The flags that `fcntl(F_SETFL)` changes.
  public static var settable: Self {
    append.union(nonBlocking).union(direct).union(noAccessTime)
  }
}

/// Where a seek counts from. Linux: `SEEK_SET` and its kin.
public enum SeekOrigin: UInt32, Sendable, BitwiseCopyable {
  case start = 0
  case current = 1
  case end = 2
  case data = 3
  case hole = 4
}

/// What can be done with a file without waiting. Linux: the `POLL` flags.
public struct Readiness: FlagSet, BitwiseCopyable, Sendable {
  public var rawValue: UInt16

  public init(rawValue: UInt16) { self.rawValue = rawValue }

  /// Linux: `POLLIN`.
  public static var input: Self { Self(rawValue: 0x001) }
  /// Linux: `POLLPRI`.
  public static var urgent: Self { Self(rawValue: 0x002) }
  /// Linux: `POLLOUT`.
  public static var output: Self { Self(rawValue: 0x004) }
  /// Linux: `POLLERR`.
  public static var error: Self { Self(rawValue: 0x008) }
  /// Linux: `POLLHUP`.
  public static var hangUp: Self { Self(rawValue: 0x010) }
  /// Linux: `POLLNVAL`.
  public static var invalid: Self { Self(rawValue: 0x020) }
  /// Linux: `POLLRDNORM`.
  public static var normalInput: Self { Self(rawValue: 0x040) }
  /// Linux: `POLLWRNORM`.
  public static var normalOutput: Self { Self(rawValue: 0x100) }
  /// Linux: `POLLWRBAND`.
  public static var bandOutput: Self { Self(rawValue: 0x200) }
  /// Linux: `POLLRDHUP`.
  public static var peerShut: Self { Self(rawValue: 0x2000) }
}

/// What one transfer is asked for beyond its file's flags. Linux: `RWF_*`.
public struct TransferFlags: FlagSet, BitwiseCopyable, Sendable {
  public var rawValue: UInt32

  public init(rawValue: UInt32) { self.rawValue = rawValue }

  public static var dataSynchronous: Self { Self(rawValue: 0x02) }  // RWF_DSYNC
  public static var synchronous: Self { Self(rawValue: 0x04) }  // RWF_SYNC
  public static var append: Self { Self(rawValue: 0x10) }  // RWF_APPEND
  public static var noAppend: Self { Self(rawValue: 0x20) }  // RWF_NOAPPEND

  /// With RWF_HIPRI, which is a hint. RWF_NOWAIT and RWF_ATOMIC are for files that say that they
  /// can do so: none here.
  public static var known: Self { Self(rawValue: 0x37) }
}
