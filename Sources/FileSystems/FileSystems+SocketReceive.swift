// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageFrames

/// How something is received. Linux: `MSG_PEEK`, `MSG_WAITALL`, and not `MSG_DONTWAIT`.
public struct ReceiveOptions: BitwiseCopyable, Sendable {
  public var waits: Bool
  public var isOnlyLook: Bool
  public var wantsAll: Bool

  public init(waits: Bool, isOnlyLook: Bool = false, wantsAll: Bool = false) {
    self.waits = waits
    self.isOnlyLook = isOnlyLook
    self.wantsAll = wantsAll
  }
}

/// What was received.
public struct ReceivedMessage: BitwiseCopyable {
  public internal(set) var byteCount = 0
  /// Of a packet: how long it was.
  public internal(set) var fullByteCount = 0
  /// Open files that came with it: the receiver's now.
  public internal(set) var files = Link<PassedFiles>(nil)
  public internal(set) var sender = SocketOwner.nobody

  /// Linux: `MSG_TRUNC`.
  public var isCut: Bool { fullByteCount > byteCount }
}

extension FileSystems {
  /// Receives what was sent to a socket.
  ///
  /// - Returns: no byte where nothing more will come.
  /// - Throws: ENOTSOCK, EINVAL, ENOTCONN, ECONNRESET, EAGAIN, EINTR, EFAULT, ENOMEM.
  /// - Context: may sleep. Linux: `unix_stream_recvmsg()`, `__unix_dgram_recvmsg()`.
  public func receive(
    _ file: Reference<OpenFile>, to target: TransferMemory, byteCount: Int,
    _ options: ReceiveOptions
  ) throws(Errno) -> ReceivedMessage {
    guard let socket = socket(of: file) else { throw .ENOTSOCK }
    let kind = heap[socket].kind
    if !heap[socket].wasConnected, kind != .datagram {
      throw kind == .stream ? .EINVAL : .ENOTCONN
    }
    lock(socket)
    defer { unlock(socket) }
    return kind == .stream
      ? try receiveStream(socket, target, byteCount, options)
      : try receivePacket(socket, target, byteCount, options)
  }

  /// Linux: `sock_read_iter()`.
  func readSocket(
    _ file: Reference<OpenFile>, to target: TransferMemory, byteCount: Int
  ) throws(Errno) -> Int {
    if byteCount == 0 { return 0 }
    let waits = !heap[file].flags.contains(.nonBlocking)
    let message = try receive(
      file, to: target, byteCount: byteCount, ReceiveOptions(waits: waits))
    if let files = message.files.reference { release(files) }
    return message.byteCount
  }

  private func receivePacket(
    _ socket: Reference<Socket>, _ target: TransferMemory, _ byteCount: Int,
    _ options: ReceiveOptions
  ) throws(Errno) -> ReceivedMessage {
    var message = ReceivedMessage()
    guard let packet = try firstPacket(socket, waits: options.waits) else { return message }
    message.fullByteCount = heap[packet].byteCount
    message.byteCount = min(byteCount, message.fullByteCount)
    message.sender = heap[packet].sender
    let copied = copy(
      from: bytes(of: packet), at: 0, byteCount: message.byteCount, to: target)
    // As on Linux, a packet that could not be copied is lost.
    defer { if !options.isOnlyLook { removeFirst(of: socket) } }
    guard copied == message.byteCount else { throw .EFAULT }
    message.files = try files(of: packet, isOnlyLook: options.isOnlyLook)
    return message
  }

  private func receiveStream(
    _ socket: Reference<Socket>, _ target: TransferMemory, _ byteCount: Int,
    _ options: ReceiveOptions
  ) throws(Errno) -> ReceivedMessage {
    var message = ReceivedMessage()
    var seen: Reference<Packet>?
    while message.byteCount < byteCount {
      let packet: Reference<Packet>
      do throws(Errno) {
        guard let next = try nextPacket(socket, after: seen, message, options) else { break }
        packet = next
      } catch {
        if message.byteCount > 0 { break }
        throw error
      }
      let offset = heap[packet].offset
      let count = min(byteCount - message.byteCount, heap[packet].byteCount - offset)
      let copied = copy(
        from: bytes(of: packet), at: offset, byteCount: count,
        to: target.advanced(by: message.byteCount))
      guard copied == count else {
        if message.byteCount > 0 { break }
        throw .EFAULT
      }
      message.files = try files(of: packet, isOnlyLook: options.isOnlyLook)
      message.sender = heap[packet].sender
      message.byteCount += count
      if options.isOnlyLook {
        seen = packet
      } else {
        heap[packet].offset += count
        heap[socket].readableByteCount -= count
        if heap[packet].offset == heap[packet].byteCount { removeFirst(of: socket) }
      }
      if message.files.reference != nil { break }
    }
    message.fullByteCount = message.byteCount
    return message
  }

  /// What a stream gives next; nil where a call has enough, or nothing more comes.
  private func nextPacket(
    _ socket: Reference<Socket>, after seen: Reference<Packet>?, _ message: ReceivedMessage,
    _ options: ReceiveOptions
  ) throws(Errno) -> Reference<Packet>? {
    if let seen { return heap[seen].next.reference }
    if message.byteCount > 0, !options.wantsAll { return heap[socket].firstPacket.reference }
    return try firstPacket(socket, waits: options.waits)
  }

  /// Waits for something in the queue; nil where nothing more comes.
  private func firstPacket(
    _ socket: Reference<Socket>, waits: Bool
  ) throws(Errno) -> Reference<Packet>? {
    while true {
      if let packet = heap[socket].firstPacket.reference { return packet }
      if heap[socket].wasReset {
        heap[socket].wasReset = false
        throw .ECONNRESET
      }
      if heap[socket].isReceivingShut {
        if heap[socket].kind == .datagram, !waits { throw .EAGAIN }
        return nil
      }
      guard waits else { throw .EAGAIN }
      unlock(socket)
      heap[socket].isReadAwaited = heap[socket].kind == .stream
      let isAwoken = environment.sleepInterruptibly(on: packetKey(socket))
      heap[socket].isReadAwaited = false
      lock(socket)
      guard isAwoken || heap[socket].packetCount > 0 else { throw .EINTR }
    }
  }

  private func bytes(of packet: Reference<Packet>) -> MemoryBlock {
    bytes(at: heap[packet].bytes, byteCount: heap[packet].byteCount)
  }

  /// The files of a packet, taken out of it, or counted once more for who only looks.
  private func files(
    of packet: Reference<Packet>, isOnlyLook: Bool
  ) throws(Errno) -> Link<PassedFiles> {
    guard let files = heap[packet].files.reference else { return Link(nil) }
    if isOnlyLook { return Link(try duplicate(files)) }
    heap[packet].files = Link(nil)
    land(files)
    return Link(files)
  }

  /// Frees the oldest packet, and tells who waits for room.
  private func removeFirst(of socket: Reference<Socket>) {
    guard let packet = heap[socket].firstPacket.reference else { return }
    heap[socket].firstPacket = heap[packet].next
    if heap[packet].next.reference == nil { heap[socket].lastPacket = Link(nil) }
    heap[socket].packetCount -= 1
    heap[socket].readableByteCount -= heap[packet].byteCount - heap[packet].offset
    heap[socket].queuedCharge -= heap[packet].charge
    condemn(packet)
    buryPackets()
    guard let peer = heap[socket].peer.reference else { return }
    environment.wake(roomKey(peer))
    readinessChanged(
      readinessKey(peer), .output.union(.normalOutput).union(.bandOutput))
    guard heap[peer].wantsRoomSignal, hasRoom(peer) else { return }
    heap[peer].wantsRoomSignal = false
    signal(peer, .output)
  }

  private func lock(_ socket: Reference<Socket>) {
    while heap[socket].isBusy { environment.sleep(on: busyKey(socket)) }
    heap[socket].isBusy = true
  }

  private func unlock(_ socket: Reference<Socket>) {
    heap[socket].isBusy = false
    environment.wake(busyKey(socket))
  }

  private func busyKey(_ socket: Reference<Socket>) -> SleepKey {
    .object(socket.raw, channel: 13)
  }
}
