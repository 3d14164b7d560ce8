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
  /// - Throws: ENOTSOCK, EPIPE, ENOTCONN, ECONNREFUSED, EMSGSIZE, EAGAIN, EINTR, EFAULT, ENOMEM.
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
    let pages = ByteCount(UInt64(max(byteCount, 1))).pagesRoundedUp
    guard let order = Order(holding: pages) else { throw .EMSGSIZE }
    let frame = try allocateFrames(order)
    let block = machine.directMap.block(at: frame.address, byteCount: order.pageCount.bytes)
    do throws(Errno) {
      guard copy(from: source, byteCount: byteCount, to: block, at: 0) == byteCount else {
        throw .EFAULT
      }
      let packet = try allocate(
        Packet(
          frame: frame.value, order: order, byteCount: byteCount,
          sender: environment.socketOwner))
      do throws(Errno) {
        // Copying may have slept: the peer may be gone, or want nothing more.
        try checkConnection(socket)
        enqueue(packet, from: socket, files)
      } catch {
        heap.free(packet)
        throw error
      }
    } catch {
      freeFrames(frame, order)
      throw error
    }
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
