// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import Machine
import MemoryUnits

/// One end of a pair of unix sockets, or one that is connected to nothing.
///
/// Linux: `struct unix_sock`.
public struct Socket: HeapObject {
  public static var cacheName: StaticString { "sock_inode_cache" }
  public static var cacheIndex: Int { 19 }

  /// Linux: `SOCK_STREAM`, `SOCK_DGRAM`, `SOCK_SEQPACKET`.
  public enum Kind: UInt32, BitwiseCopyable, Sendable {
    case stream = 1
    case datagram = 2
    case sequence = 5
  }

  public let kind: Kind
  /// The other end; none once it is closed, or where there never was one.
  public internal(set) var peer = Link<Socket>(nil)
  /// There was a peer once.
  public internal(set) var wasConnected = false
  /// Who made the other end. Linux: `SO_PEERCRED`.
  public internal(set) var peerOwner = SocketOwner.nobody
  /// Nothing more is received, or sent. Linux: `RCV_SHUTDOWN`, `SEND_SHUTDOWN`.
  var isReceivingShut = false
  var isSendingShut = false
  /// The other end was closed before it had read all. Linux: `ECONNRESET` in `sk_err`.
  var wasReset = false
  /// A datagram socket's peer is gone, and nobody was told yet.
  var lostPeer = false
  /// A task waits for something to read: it needs no signal. Linux: `SOCKWQ_ASYNC_WAITDATA`.
  var isReadAwaited = false
  /// Something found no room: a signal tells when there is. Linux: `SOCKWQ_ASYNC_NOSPACE`.
  var wantsRoomSignal = false
  /// A task takes from the queue: its user memory may have to be read in meanwhile.
  var isBusy = false
  /// What `setsockopt` switched on, a bit for each by its number. Linux: `SO_REUSEADDR`…
  public var switches: UInt64 = 0
  /// Bytes that it may have sent and that wait. Linux: `sk_sndbuf`.
  public var sendLimit = Socket.defaultLimit
  /// Linux: `sk_rcvbuf`, which bounds nothing between unix sockets.
  public var receiveLimit = Socket.defaultLimit
  /// What was sent to it and not read yet, the oldest first.
  var firstPacket = Link<Packet>(nil)
  var lastPacket = Link<Packet>(nil)
  var packetCount = 0
  /// Bytes of a stream that can be read.
  var readableByteCount = 0
  /// What its queue is reckoned to weigh. Linux: `sk_wmem_alloc` of the sender.
  var queuedCharge = 0

  /// The open file that it is.
  var file = Link<OpenFile>(nil)
  /// Counts of that file that are held by packets. Linux: `unix_sock.inflight`.
  var flightCount: UInt32 = 0
  /// While sockets that only packets hold are looked for.
  var isSuspect = false
  var outsideCount: UInt32 = 0
  /// All sockets.
  var next = Link<Socket>(nil)
  var previous = Link<Socket>(nil)

  init(_ kind: Kind) { self.kind = kind }

  /// Linux: `net.core.wmem_default`, also the most that can be asked for.
  public static var defaultLimit: Int { 212_992 }
}

/// Who sent something, or made a socket. Linux: `struct ucred`.
public struct SocketOwner: BitwiseCopyable, Sendable {
  public var process: UInt32
  public var user: UInt32
  public var group: UInt32

  public init(process: UInt32, user: UInt32, group: UInt32) {
    self.process = process
    self.user = user
    self.group = group
  }

  /// Linux: `overflowuid`, `overflowgid`, and no process; of `SO_PEERCRED` all ones.
  public static var nobody: Self { Self(process: 0, user: .max, group: .max) }
}

/// Bytes on their way to a socket, with the open files that go with them.
///
/// Linux: `struct sk_buff`.
struct Packet: HeapObject {
  static var cacheName: StaticString { "skbuff_head_cache" }
  static var cacheIndex: Int { 20 }

  /// Where its bytes are in the kernel's heap. Linux: `skb->head`, of `kmalloc_reserve()`.
  let bytes: PhysicalAddress
  let byteCount: Int
  let sender: SocketOwner
  /// Bytes of a stream that were read already.
  var offset = 0
  var files = Link<PassedFiles>(nil)
  var next = Link<Packet>(nil)

  /// What it is reckoned to weigh, as Linux does with small ones. Linux: `skb->truesize`.
  var charge: Int { max(768, byteCount + 576) }
}

/// Open files on their way to another process, each counted. Linux: `SCM_RIGHTS`.
public struct PassedFiles: HeapObject {
  public static var cacheName: StaticString { "scm_fp_list" }
  public static var cacheIndex: Int { 21 }

  public internal(set) var count = 0
  private var files = InlineArray<253, Link<OpenFile>>(repeating: Link(nil))

  init() {}

  /// By the bytes: an element of the array would copy the array.
  mutating func file(at index: Int) -> Link<OpenFile> {
    withMemoryBlock(over: &files) { $0.load(Link<OpenFile>.self, at: index * 4) }
  }

  mutating func append(_ file: Reference<OpenFile>) {
    files[count] = Link(file)
    count += 1
  }

  /// Linux: `SCM_MAX_FD`.
  public static var limit: Int { 253 }
}
