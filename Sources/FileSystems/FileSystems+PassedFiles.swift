// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits
import PageFrames

/// Open files that are on their way through sockets, and those that nobody can receive any more.
///
/// Linux: `net/unix/garbage.c`, `net/core/scm.c`.
extension FileSystems {
  /// An empty list. - Throws: ENOMEM.
  public func makePassedFiles() throws(Errno) -> Reference<PassedFiles> {
    try allocate(PassedFiles())
  }

  /// Adds a file, counted anew. - Throws: EINVAL where there are too many.
  public func append(
    _ file: Reference<OpenFile>, to files: Reference<PassedFiles>
  ) throws(Errno) {
    guard heap[files].count < PassedFiles.limit else { throw .EINVAL }
    retain(file)
    heap[files].append(file)
  }

  /// One of them; nil beyond the last.
  public func file(_ index: Int, of files: Reference<PassedFiles>) -> Reference<OpenFile>? {
    guard index < heap[files].count else { return nil }
    return heap[files].file(at: index).reference
  }

  /// Closes the files of a list that is not on its way. - Context: any; never sleeps.
  public func release(_ files: Reference<PassedFiles>) {
    for index in 0..<heap[files].count {
      if let file = heap[files].file(at: index).reference { release(file) }
    }
    heap.free(files)
  }

  func duplicate(_ files: Reference<PassedFiles>) throws(Errno) -> Reference<PassedFiles> {
    let copy = try makePassedFiles()
    for index in 0..<heap[files].count {
      if let file = heap[files].file(at: index).reference { try append(file, to: copy) }
    }
    return copy
  }

  /// Notes that a packet holds the sockets of a list. Linux: `unix_inflight()`.
  func takeOff(_ files: Reference<PassedFiles>) {
    forEachSocket(of: files) { heap[$0].flightCount += 1 }
  }

  /// Linux: `unix_notinflight()`.
  func land(_ files: Reference<PassedFiles>) {
    forEachSocket(of: files) { heap[$0].flightCount -= 1 }
  }

  private func forEachSocket(
    of files: Reference<PassedFiles>, _ body: (Reference<Socket>) -> Void
  ) {
    for index in 0..<heap[files].count {
      guard let file = heap[files].file(at: index).reference, let socket = socket(of: file)
      else { continue }
      body(socket)
    }
  }

  // Packets that go unread

  /// Puts a packet that is in no queue among those to be freed.
  func condemn(_ packet: Reference<Packet>) {
    heap[packet].next = state.value.firstDeadPacket
    state.value.firstDeadPacket = Link(packet)
  }

  func condemnPackets(of socket: Reference<Socket>) {
    while let packet = heap[socket].firstPacket.reference {
      heap[socket].firstPacket = heap[packet].next
      condemn(packet)
    }
    heap[socket].lastPacket = Link(nil)
    heap[socket].packetCount = 0
    heap[socket].readableByteCount = 0
    heap[socket].queuedCharge = 0
  }

  /// Frees condemned packets and closes their files. A file may be a socket, whose closing
  /// condemns more: they are taken by the outermost call, so that the stack stays small.
  ///
  /// - Context: any; never sleeps.
  func buryPackets() {
    guard !state.value.isBurying else { return }
    state.value.isBurying = true
    while let packet = state.value.firstDeadPacket.reference {
      state.value.firstDeadPacket = heap[packet].next
      if let files = heap[packet].files.reference {
        land(files)
        release(files)
      }
      free(packet)
    }
    state.value.isBurying = false
  }

  // Sockets that only packets hold

  /// Notes that a descriptor of a socket was closed: if packets alone hold it now, it may be that
  /// nobody can ever receive them.
  ///
  /// - Complexity: sockets × files on their way, when a socket on its way is closed.
  func noteSocketReleased(_ file: Reference<OpenFile>) {
    guard let socket = socket(of: file), heap[socket].flightCount > 0,
      heap[file].references == heap[socket].flightCount, !state.value.isBurying
    else { return }
    collectSockets()
  }

  /// Empties the queues of sockets that are held only from each other's queues.
  ///
  /// Linux: `unix_gc()`.
  private func collectSockets() {
    forEachSocket {
      let flights = heap[$0].flightCount
      heap[$0].outsideCount = flights
      heap[$0].isSuspect = flights > 0 && references(of: $0) == flights
    }
    forEachSocket { holder in
      guard heap[holder].isSuspect else { return }
      forEachSocket(inQueueOf: holder) { heap[$0].outsideCount -= 1 }
    }
    var isChanged = true
    while isChanged {
      isChanged = false
      forEachSocket { holder in
        guard heap[holder].isSuspect, heap[holder].outsideCount > 0 else { return }
        heap[holder].isSuspect = false
        isChanged = true
        forEachSocket(inQueueOf: holder) { heap[$0].outsideCount += 1 }
      }
    }
    forEachSocket { if heap[$0].isSuspect { condemnPackets(of: $0) } }
    buryPackets()
  }

  private func references(of socket: Reference<Socket>) -> UInt32 {
    guard let file = heap[socket].file.reference else { return 0 }
    return heap[file].references
  }

  private func forEachSocket(_ body: (Reference<Socket>) -> Void) {
    var next = state.value.firstSocket
    while let socket = next.reference {
      body(socket)
      next = heap[socket].next
    }
  }

  private func forEachSocket(
    inQueueOf holder: Reference<Socket>, _ body: (Reference<Socket>) -> Void
  ) {
    var next = heap[holder].firstPacket
    while let packet = next.reference {
      if let files = heap[packet].files.reference { forEachSocket(of: files, body) }
      next = heap[packet].next
    }
  }
}
