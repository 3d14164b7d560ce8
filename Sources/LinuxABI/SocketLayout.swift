// SPDX-License-Identifier: Apache-2.0

import MemoryUnits

/// The header of `sendmsg` and `recvmsg`. Linux: `struct user_msghdr`.
public struct MessageHeader: Sendable, BitwiseCopyable {
  public var name: UInt64
  public var nameByteCount: UInt64
  public var vector: UInt64
  public var vectorCount: UInt64
  public var control: UInt64
  public var controlByteCount: UInt64
  public var flags: UInt64

  /// Where a call stores its answers.
  public static var nameByteCountOffset: UInt64 { 8 }
  public static var controlByteCountOffset: UInt64 { 40 }
  public static var flagsOffset: UInt64 { 48 }
}

/// The head of one part of a message's control bytes. Linux: `struct cmsghdr`.
public struct ControlHeader: Sendable, BitwiseCopyable {
  /// With this head.
  public var byteCount: UInt64
  public var level: Int32
  public var kind: Int32

  public init(byteCount: UInt64, level: Int32, kind: Int32) {
    self.byteCount = byteCount
    self.level = level
    self.kind = kind
  }

  public static var size: UInt64 { 16 }
  /// Linux: `SOL_SOCKET`.
  public static var socketLevel: Int32 { 1 }
  /// Linux: `SCM_RIGHTS`.
  public static var files: Int32 { 1 }
  /// Linux: `SCM_CREDENTIALS`.
  public static var credentials: Int32 { 2 }
}

/// What a call that sends or receives is told, or tells. Linux: the `MSG_` flags.
public struct MessageFlags: FlagSet, BitwiseCopyable, Sendable {
  public var rawValue: UInt32

  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// Linux: `MSG_OOB`.
  public static var outOfBand: Self { Self(rawValue: 0x1) }
  /// Linux: `MSG_PEEK`.
  public static var onlyLook: Self { Self(rawValue: 0x2) }
  /// Linux: `MSG_CTRUNC`.
  public static var controlCut: Self { Self(rawValue: 0x8) }
  /// Linux: `MSG_TRUNC`.
  public static var cut: Self { Self(rawValue: 0x20) }
  /// Linux: `MSG_DONTWAIT`.
  public static var noWaiting: Self { Self(rawValue: 0x40) }
  /// Linux: `MSG_WAITALL`.
  public static var all: Self { Self(rawValue: 0x100) }
  /// Linux: `MSG_NOSIGNAL`.
  public static var noSignal: Self { Self(rawValue: 0x4000) }
  /// Linux: `MSG_CMSG_CLOEXEC`.
  public static var closeOnExecute: Self { Self(rawValue: 0x4000_0000) }
}

/// The options of sockets. Linux: the `SO_` numbers.
public enum SocketOption: UInt32, Sendable, BitwiseCopyable {
  case debug = 1
  case reuseAddress, kind, error, dontRoute, broadcast
  case sendLimit, receiveLimit
  case keepAlive, outOfBandInline
  case linger = 13
  case reusePort = 15
  case passCredentials, peerCredentials
  case receiveTimeLimit = 20
  case sendTimeLimit
  case acceptsConnections = 30
  case protocolNumber = 38
  case family
}

/// Linux: `AF_UNSPEC`, `AF_UNIX`, and how many there are.
public enum AddressFamily {
  public static var none: UInt16 { 0 }
  public static var unix: UInt16 { 1 }
  /// Linux: `sizeof(struct sockaddr_un)`, `sizeof(struct sockaddr_storage)`.
  public static var unixByteCount: UInt64 { 110 }
  public static var maximumByteCount: UInt64 { 128 }
}
