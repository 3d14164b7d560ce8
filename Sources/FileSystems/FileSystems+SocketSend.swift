// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageFrames

/// Sending through sockets.
extension FileSystems {
  /// Sends bytes, and open files with them.
  ///
  /// - Parameter files: is the receiver's then, or is released.
  /// - Returns: the bytes sent.
  /// - Throws: ENOTSOCK, EPIPE, ENOTCONN, ECONNREFUSED, EMSGSIZE, EAGAIN, EINTR, EFAULT, ENOBUFS.
  /// - Context: may sleep. Linux: `unix_stream_sendmsg()`, `unix_dgram_sendmsg()`.
  public func send(
    _ file: Reference<OpenFile>, from source: TransferMemory, byteCount: Int,
    files: Reference<PassedFiles>? = nil, waits: Bool
  ) throws(Errno) -> Int {
    var files = files
    defer { if let files { release(files) } }
    guard let socket = socket(of: file) else { throw .ENOTSOCK }
    let isStream = heap[socket].kind == .stream
    try checkConnection(socket)
    if isStream, byteCount == 0 { return 0 }
    if !isStream, byteCount > heap[socket].sendLimit - 32 { throw .EMSGSIZE }
    var done = 0
    repeat {
      let count = isStream ? min(byteCount - done, Self.streamPacketByteCount) : byteCount
      do throws(Errno) {
        try waitForRoom(socket, waits)
        try deliver(
          socket, from: source.advanced(by: done), byteCount: count, files: files)
      } catch {
        if done > 0 { break }
        throw error
      }
      files = nil
      done += count
    } while done < byteCount
    if let peer = heap[socket].peer.reference { signal(peer, .input) }
    return done
  }

  /// - Throws: ENOTCONN, EPIPE, ECONNRESET, ECONNREFUSED: the last two once only.
  private func checkConnection(_ socket: Reference<Socket>) throws(Errno) {
    let isDatagram = heap[socket].kind == .datagram
    guard heap[socket].wasConnected else { throw .ENOTCONN }
    if heap[socket].kind == .sequence, takeError(of: socket) != 0 { throw .ECONNRESET }
    if heap[socket].isSendingShut { throw .EPIPE }
    guard let peer = heap[socket].peer.reference else {
      guard isDatagram else { throw .EPIPE }
      guard heap[socket].lostPeer else { throw .ENOTCONN }
      heap[socket].lostPeer = false
      throw .ECONNREFUSED
    }
    if heap[peer].isReceivingShut { throw .EPIPE }
  }

  private func waitForRoom(_ socket: Reference<Socket>, _ waits: Bool) throws(Errno) {
    while true {
      try checkConnection(socket)
      guard let peer = heap[socket].peer.reference else { throw .EPIPE }
      if heap[peer].queuedCharge < heap[socket].sendLimit { return }
      heap[socket].wantsRoomSignal = true
      // What was sent so far has to be taken before there is room.
      signal(peer, .input)
      guard waits else { throw .EAGAIN }
      guard environment.sleepInterruptibly(on: roomKey(socket)) else { throw .EINTR }
    }
  }

  /// Puts one packet into the peer's queue.
  private func deliver(
    _ socket: Reference<Socket>, from source: TransferMemory, byteCount: Int,
    files: Reference<PassedFiles>?
  ) throws(Errno) {
    let packet = try makePacket(byteCount)
    do throws(Errno) {
      let block = bytes(at: heap[packet].bytes, byteCount: byteCount)
      guard copy(from: source, byteCount: byteCount, to: block, at: 0) == byteCount else {
        throw .EFAULT
      }
      // Copying may have slept: the peer may be gone, or want nothing more.
      try checkConnection(socket)
    } catch {
      free(packet)
      throw error
    }
    enqueue(packet, from: socket, files)
  }

  /// - Throws: ENOBUFS. Linux: `sock_alloc_send_pskb()`.
  private func makePacket(_ byteCount: Int) throws(Errno) -> Reference<Packet> {
    do throws(Errno) {
      let address = try allocateBytes(byteCount)
      do throws(Errno) {
        return try allocate(
          Packet(bytes: address, byteCount: byteCount, sender: environment.socketOwner))
      } catch {
        byteHeap.free(at: address)
        throw error
      }
    } catch {
      throw .ENOBUFS
    }
  }

  func free(_ packet: Reference<Packet>) {
    byteHeap.free(at: heap[packet].bytes)
    heap.free(packet)
  }

  /// - Precondition: the socket has a peer.
  private func enqueue(
    _ packet: Reference<Packet>, from socket: Reference<Socket>, _ files: Reference<PassedFiles>?
  ) {
    guard let peer = heap[socket].peer.reference else {
      preconditionFailure("a packet for nobody")
    }
    if let files {
      heap[packet].files = Link(files)
      takeOff(files)
    }
    if let last = heap[peer].lastPacket.reference {
      heap[last].next = Link(packet)
    } else {
      heap[peer].firstPacket = Link(packet)
    }
    heap[peer].lastPacket = Link(packet)
    heap[peer].packetCount += 1
    heap[peer].readableByteCount += heap[packet].byteCount
    heap[peer].queuedCharge += heap[packet].charge
    environment.wake(packetKey(peer))
    readinessChanged(readinessKey(peer), .input.union(.normalInput))
  }

  /// A stream's bytes go in packets of so many at the most.
  private static var streamPacketByteCount: Int { 4096 }
}
