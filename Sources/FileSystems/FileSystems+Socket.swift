// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageFrames

/// Unix sockets: making and closing them.
///
/// Linux: `net/unix/af_unix.c`.
extension FileSystems {
  /// Makes two sockets that are connected to each other. Linux: `socketpair`.
  ///
  /// - Throws: ENOMEM.
  public func makeSocketPair(
    _ kind: Socket.Kind, flags: OpenFlags
  ) throws(Errno) -> (Reference<OpenFile>, Reference<OpenFile>) {
    let first = try makeSocket(kind, flags: flags)
    let second: Reference<OpenFile>
    do {
      second = try makeSocket(kind, flags: flags)
    } catch {
      release(first)
      throw error
    }
    if let one = socket(of: first), let other = socket(of: second) {
      connect(one, other)
      connect(other, one)
    }
    return (first, second)
  }

  private func connect(_ socket: Reference<Socket>, _ peer: Reference<Socket>) {
    heap[socket].peer = Link(peer)
    heap[socket].wasConnected = true
    heap[socket].peerOwner = environment.socketOwner
  }

  /// Makes a socket that is connected to nothing, and opens it. Linux: `socket`.
  ///
  /// - Throws: ENOMEM.
  public func makeSocket(
    _ kind: Socket.Kind, flags: OpenFlags
  ) throws(Errno) -> Reference<OpenFile> {
    let socket = try allocate(Socket(kind))
    var fresh = Inode(
      .sockets, of: .nameless, number: state.value.nextPipeNumber,
      mode: FileMode(.socket, permissions: 0o777))
    state.value.nextPipeNumber += 1
    fresh.socket = Link(socket)
    stamp(&fresh, at: currentTime)
    let inode: Reference<Inode>
    do {
      inode = try allocate(fresh)
    } catch {
      heap.free(socket)
      throw error
    }
    do {
      let kept = flags.intersection(.nonBlocking).union(.readWrite)
      let file = try enter(OpenFile(inode, .socket, flags: kept))
      heap[socket].file = Link(file)
      pushSocket(socket)
      return file
    } catch {
      heap.free(socket)
      heap.free(inode)
      throw error
    }
  }

  /// The socket of an open file; nil of other files.
  public func socket(of file: Reference<OpenFile>) -> Reference<Socket>? {
    guard heap[file].behaviour == .socket else { return nil }
    return heap[heap[file].inode].socket.reference
  }

  /// Closes a socket: its peer is told, what was not read goes.
  ///
  /// - Context: any; never sleeps. Linux: `unix_release_sock()`.
  func closeSocket(of file: Reference<OpenFile>) {
    guard let socket = socket(of: file) else { return }
    if let peer = heap[socket].peer.reference {
      heap[socket].peer = Link(nil)
      heap[peer].peer = Link(nil)
      if heap[peer].kind == .datagram {
        heap[peer].lostPeer = true
      } else {
        heap[peer].isReceivingShut = true
        heap[peer].isSendingShut = true
        if heap[socket].packetCount > 0 { heap[peer].wasReset = true }
        signal(peer, .hangUp)
      }
      wakeSocket(peer)
    }
    condemnPackets(of: socket)
    removeSocket(socket)
    heap[heap[file].inode].socket = Link(nil)
    heap.free(socket)
    buryPackets()
  }

  /// Ends one direction, or both. Linux: `shutdown`; `unix_shutdown()`.
  public func shut(_ socket: Reference<Socket>, receiving: Bool, sending: Bool) {
    if receiving { heap[socket].isReceivingShut = true }
    if sending { heap[socket].isSendingShut = true }
    if let peer = heap[socket].peer.reference {
      if heap[socket].kind != .datagram {
        if receiving { heap[peer].isSendingShut = true }
        if sending { heap[peer].isReceivingShut = true }
        if sending { signal(peer, receiving ? .hangUp : .input) }
      }
      wakeSocket(peer)
    }
    wakeSocket(socket)
  }

  /// What happened to a socket and was not told yet: an errno, or 0. Linux: `SO_ERROR`.
  public func takeError(of socket: Reference<Socket>) -> Int {
    guard heap[socket].wasReset else { return 0 }
    heap[socket].wasReset = false
    return Int(Errno.ECONNRESET.rawValue)
  }

  /// Whether a refused write to a file comes with SIGPIPE: not of sockets with packets.
  public func raisesPipeSignal(_ file: Reference<OpenFile>) -> Bool {
    guard let socket = socket(of: file) else { return true }
    return heap[socket].kind == .stream
  }

  /// Linux: `unix_poll()`, `unix_dgram_poll()`.
  func socketReadiness(of file: Reference<OpenFile>) -> Readiness {
    guard let socket = socket(of: file) else { return .hangUp }
    var ready = Readiness()
    let isPacketless = heap[socket].packetCount == 0
    if heap[socket].wasReset { ready.formUnion(.error) }
    if heap[socket].isReceivingShut {
      ready.formUnion(.peerShut)
      if heap[socket].isSendingShut { ready.formUnion(.hangUp) }
    }
    if !isPacketless || heap[socket].isReceivingShut {
      ready.formUnion(.input.union(.normalInput))
    }
    if heap[socket].kind != .datagram, !heap[socket].wasConnected { ready.formUnion(.hangUp) }
    if hasRoom(socket) {
      ready.formUnion(.output.union(.normalOutput).union(.bandOutput))
    }
    return ready
  }

  /// Linux: `unix_writable()`.
  func hasRoom(_ socket: Reference<Socket>) -> Bool {
    guard let peer = heap[socket].peer.reference else { return true }
    return heap[peer].queuedCharge * 4 <= heap[socket].sendLimit
  }

  /// Linux: `FIONREAD`; `unix_inq_len()`.
  func readableByteCount(of socket: Reference<Socket>) -> UInt32 {
    if heap[socket].kind == .stream { return UInt32(heap[socket].readableByteCount) }
    guard let packet = heap[socket].firstPacket.reference else { return 0 }
    return UInt32(heap[packet].byteCount)
  }

  /// Wakes all that wait for a socket: one of its directions has ended.
  private func wakeSocket(_ socket: Reference<Socket>) {
    environment.wake(packetKey(socket))
    environment.wake(roomKey(socket))
    readinessChanged(
      readinessKey(socket),
      .input.union(.normalInput).union(.output).union(.normalOutput).union(.hangUp).union(.error)
        .union(.peerShut).union(.bandOutput))
  }

  /// Sends signals that a socket is ready, unless somebody waits for just that.
  ///
  /// Linux: `sk_wake_async()`.
  func signal(_ socket: Reference<Socket>, _ reason: ReadinessReason) {
    if reason != .output, heap[socket].isReadAwaited { return }
    tellOwners(readinessKey(socket), reason)
  }

  func readinessKey(_ socket: Reference<Socket>) -> SleepKey {
    .object(socket.raw, channel: Self.readinessChannel)
  }

  /// Who waits for something to read.
  func packetKey(_ socket: Reference<Socket>) -> SleepKey { .object(socket.raw, channel: 11) }
  /// Who waits to send from it.
  func roomKey(_ socket: Reference<Socket>) -> SleepKey { .object(socket.raw, channel: 12) }

  // The list of all sockets

  private func pushSocket(_ socket: Reference<Socket>) {
    let first = state.value.firstSocket
    heap[socket].next = first
    if let first = first.reference { heap[first].previous = Link(socket) }
    state.value.firstSocket = Link(socket)
  }

  private func removeSocket(_ socket: Reference<Socket>) {
    let next = heap[socket].next
    let previous = heap[socket].previous
    if let next = next.reference { heap[next].previous = previous }
    if let previous = previous.reference {
      heap[previous].next = next
    } else {
      state.value.firstSocket = next
    }
  }
}
