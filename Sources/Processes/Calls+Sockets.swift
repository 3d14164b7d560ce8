// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import FileSystems
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// The system calls on unix sockets but those that send and receive. Sockets get no names here:
/// whoever connects to one finds that nobody listens.
extension Kernel {
  /// Linux: `SOCK_CLOEXEC`, `SOCK_NONBLOCK` and the kinds; `unix_create()`.
  private func socketKind(
    _ type: UInt64, _ number: UInt64
  ) throws(Errno) -> (kind: Socket.Kind, flags: OpenFlags) {
    let flags = OpenFlags(rawValue: UInt32(truncatingIfNeeded: type) & ~0xF)
    guard OpenFlags.closeOnExecute.union(.nonBlocking).isSuperset(of: flags) else {
      throw .EINVAL
    }
    guard type & 0xF <= 10 else { throw .EINVAL }
    guard number & 0xFFFF_FFFF <= 1 else { throw .EPROTONOSUPPORT }
    // Linux takes raw unix sockets for datagrams.
    let wanted = type & 0xF == 3 ? 2 : UInt32(type & 0xF)
    guard let kind = Socket.Kind(rawValue: wanted) else { throw .ESOCKTNOSUPPORT }
    return (kind, flags)
  }

  private func isUnix(_ family: UInt64) -> Bool {
    UInt32(truncatingIfNeeded: family) == UInt32(AddressFamily.unix)
  }

  /// Linux: `socket`. Other families than unix's are refused.
  func makeSocket(_ call: CallArguments) throws(Errno) -> UInt64 {
    guard isUnix(call.first) else {
      return try refuse(UInt64(SystemCall.socket.rawValue), .EAFNOSUPPORT)
    }
    let wanted = try socketKind(call.second, call.third)
    let file = try fileSystems.makeSocket(wanted.kind, flags: wanted.flags)
    return try enter(file, closesOnExecute: wanted.flags.contains(.closeOnExecute))
  }

  /// Linux: `socketpair`.
  func makeSocketPair(_ call: CallArguments) throws(Errno) -> UInt64 {
    guard isUnix(call.first) else {
      return try refuse(UInt64(SystemCall.socketpair.rawValue), .EAFNOSUPPORT)
    }
    let wanted = try socketKind(call.second, call.third)
    let ends = try fileSystems.makeSocketPair(wanted.kind, flags: wanted.flags)
    let closes = wanted.flags.contains(.closeOnExecute)
    return try enterPair(ends.0, ends.1, closesOnExecute: closes, at: call.fourth)
  }

  /// The socket of a descriptor. - Throws: EBADF, ENOTSOCK.
  func socket(_ descriptor: UInt64) throws(Errno) -> Reference<Socket> {
    let file = try openedFile(descriptor)
    guard let socket = fileSystems.socket(of: file) else { throw .ENOTSOCK }
    return socket
  }

  /// Finds out that nobody listens at an address. Linux: `connect`; `unix_find_other()`.
  func connect(_ call: CallArguments) throws(Errno) -> UInt64 {
    let socket = try socket(call.first)
    let family = try addressFamily(call.second, call.third)
    if heap[socket].kind == .datagram, family == AddressFamily.none { return 0 }
    if heap[socket].kind != .datagram, heap[socket].wasConnected { throw .EISCONN }
    return try failToReach(call.second, call.third, family)
  }

  private func addressFamily(_ address: UInt64, _ count: UInt64) throws(Errno) -> UInt16 {
    guard count & 0xFFFF_FFFF <= AddressFamily.maximumByteCount else { throw .EINVAL }
    guard count & 0xFFFF_FFFF >= 2 else { throw .EINVAL }
    return try load(at: address)
  }

  /// What looking for the socket of an address ends with, as there is none.
  private func failToReach(
    _ address: UInt64, _ count: UInt64, _ family: UInt16
  ) throws(Errno) -> UInt64 {
    let count = count & 0xFFFF_FFFF
    guard family == AddressFamily.unix, count > 2, count <= AddressFamily.unixByteCount else {
      throw .EINVAL
    }
    let first: UInt8 = try load(at: address &+ 2)
    if first == 0 { throw .ECONNREFUSED }
    let length = try nameByteCount(address &+ 2, count - 2)
    try fileSystems.withPath(
      at: VirtualAddress(address &+ 2), byteCount: Int(length), in: space
    ) { (path) throws(Errno) in
      let inode = try fileSystems.find(
        path, from: heap[folderContext].workingFolder, as: credentials)
      defer { fileSystems.release(inode) }
      try fileSystems.checkAccess(to: inode, .write, as: credentials)
    }
    throw .ECONNREFUSED
  }

  /// How long a name is that may lack its end.
  private func nameByteCount(_ address: UInt64, _ limit: UInt64) throws(Errno) -> UInt64 {
    for index in 0..<limit where try load(at: address &+ index) as UInt8 == 0 { return index }
    return limit
  }

  /// Refuses an address that something is to be sent to. Linux: `unix_dgram_sendmsg()`.
  func refuseTarget(
    _ socket: Reference<Socket>, _ address: UInt64, _ count: UInt64
  ) throws(Errno) {
    switch heap[socket].kind {
    case .sequence: return
    case .stream: throw heap[socket].wasConnected ? .EISCONN : .EOPNOTSUPP
    case .datagram:
      let family = try addressFamily(address, count)
      _ = try failToReach(address, count, family)
    }
  }

  /// Linux: `getsockname`: sockets have no names here.
  func socketName(_ call: CallArguments) throws(Errno) -> UInt64 {
    _ = try socket(call.first)
    try storeEmptyName(call.second, call.third)
    return 0
  }

  /// Linux: `getpeername`.
  func peerName(_ call: CallArguments) throws(Errno) -> UInt64 {
    let socket = try socket(call.first)
    let isConnected =
      heap[socket].kind == .datagram
      ? heap[socket].peer.reference != nil : heap[socket].wasConnected
    guard isConnected else { throw .ENOTCONN }
    try storeEmptyName(call.second, call.third)
    return 0
  }

  /// Stores a family without a name, as far as there is room. Linux: `move_addr_to_user()`.
  private func storeEmptyName(_ address: UInt64, _ count: UInt64) throws(Errno) {
    let room: Int32 = try load(at: count)
    guard room >= 0 else { throw .EINVAL }
    if room >= 2 {
      try store(AddressFamily.unix, at: address)
    } else if room == 1 {
      try store(UInt8(truncatingIfNeeded: AddressFamily.unix), at: address)
    }
    try store(Int32(2), at: count)
  }

  /// Linux: `shutdown`.
  func shutSocket(_ call: CallArguments) throws(Errno) -> UInt64 {
    let socket = try socket(call.first)
    let how = call.second & 0xFFFF_FFFF
    guard how <= 2 else { throw .EINVAL }
    fileSystems.shut(socket, receiving: how != 1, sending: how != 0)
    return 0
  }

  /// Linux: `getsockopt`; `sk_getsockopt()`.
  func socketOption(_ call: CallArguments) throws(Errno) -> UInt64 {
    let socket = try socket(call.first)
    guard call.second & 0xFFFF_FFFF == 1 else { throw .EOPNOTSUPP }
    let room: Int32 = try load(at: call.fifth)
    guard room >= 0 else { throw .EINVAL }
    guard let option = SocketOption(rawValue: UInt32(truncatingIfNeeded: call.third)) else {
      throw .ENOPROTOOPT
    }
    let value: Int
    switch option {
    case .peerCredentials:
      return try storeOption(peerOwner(of: socket), 12, room, call)
    case .linger: return try storeOption(UInt64(0), 8, room, call)
    case .receiveTimeLimit, .sendTimeLimit:
      return try storeOption((UInt64(0), UInt64(0)), 16, room, call)
    case .kind: value = Int(heap[socket].kind.rawValue)
    case .error: value = fileSystems.takeError(of: socket)
    case .sendLimit: value = heap[socket].sendLimit
    case .receiveLimit: value = heap[socket].receiveLimit
    case .family: value = Int(AddressFamily.unix)
    case .protocolNumber, .acceptsConnections: value = 0
    default: value = Int(heap[socket].switches >> UInt64(option.rawValue) & 1)
    }
    return try storeOption(Int32(value), 4, room, call)
  }

  private func peerOwner(of socket: Reference<Socket>) -> SocketOwner { heap[socket].peerOwner }

  /// Stores as much of a value as there is room for.
  private func storeOption<Value: BitwiseCopyable>(
    _ value: Value, _ byteCount: Int32, _ room: Int32, _ call: CallArguments
  ) throws(Errno) -> UInt64 {
    var value = value
    for index in 0..<Int(min(byteCount, room)) {
      let byte = withMemoryBlock(over: &value) { $0.load(UInt8.self, at: index) }
      try store(byte, at: call.fourth &+ UInt64(index))
    }
    try store(min(byteCount, room), at: call.fifth)
    return 0
  }

  /// Linux: `setsockopt`; `sk_setsockopt()`.
  func setSocketOption(_ call: CallArguments) throws(Errno) -> UInt64 {
    let socket = try socket(call.first)
    guard call.second & 0xFFFF_FFFF == 1 else { throw .EOPNOTSUPP }
    let length = Int32(truncatingIfNeeded: call.fifth)
    guard length >= 4 else { throw .EINVAL }
    let value: Int32 = try load(at: call.fourth)
    switch SocketOption(rawValue: UInt32(truncatingIfNeeded: call.third)) {
    case .sendLimit: heap[socket].sendLimit = bufferLimit(value, least: 4608)
    case .receiveLimit: heap[socket].receiveLimit = bufferLimit(value, least: 2304)
    case .reuseAddress, .broadcast, .keepAlive, .passCredentials:
      let bit = UInt64(1) << (call.third & 63)
      if value != 0 { heap[socket].switches |= bit } else { heap[socket].switches &= ~bit }
    default: throw .ENOPROTOOPT
    }
    return 0
  }

  /// Twice what is asked for, as Linux keeps it.
  private func bufferLimit(_ value: Int32, least: Int) -> Int {
    let wanted = UInt32(bitPattern: value)
    return max(Int(min(wanted, UInt32(Socket.defaultLimit))) * 2, least)
  }
}
