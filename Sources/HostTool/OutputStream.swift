// SPDX-License-Identifier: Apache-2.0

import CHostSystem
import Glibc
import MemoryEvents

/// One of the program's output streams on its way to the tool's own.
struct OutputStream {
  private(set) var ring: RingReader
  private let descriptor: Int32
  private let number: UInt64
  /// Where a copy goes, or -1.
  private let copy: Int32
  /// Bytes that the event log spoke of.
  private var announced: UInt64 = 0
  private(set) var isClosed = false

  init(_ ring: RingReader, descriptor: Int32, number: UInt64, copy: Int32 = -1) {
    self.copy = copy
    self.ring = ring
    self.descriptor = descriptor
    self.number = number
  }

  /// Writes what a record of the log says was written, as far as it is in the ring.
  mutating func announce(
    _ count: UInt64, head: UInt64, in memory: GuestMemory
  ) throws(ToolFailure) {
    announced &+= count
    if announced > ring.tail { _ = try write(to: min(announced, head), from: memory) }
  }

  /// Writes up to a count of all that the program ever wrote; says whether there was anything.
  ///
  /// Once nobody reads the stream, the rest is dropped and the kernel told.
  mutating func write(to end: UInt64, from memory: GuestMemory) throws(ToolFailure) -> Bool {
    if end <= ring.tail { return false }
    var closed = isClosed
    let (descriptor, number, copy) = (descriptor, number, copy)
    // SAFETY: the part is only read, within its length.
    try unsafe ring.read(to: end, from: memory) { (part) throws(ToolFailure) in
      // A record that has no room is short; the run goes on.
      if copy >= 0 { unsafe try? writeAll(part, to: copy) }
      if closed { return }
      do throws(HostError) { try unsafe writeAll(part, to: descriptor) } catch {
        // An interrupted write means that the tool is about to end.
        if error.number == EINTR { return }
        guard error.number == EPIPE || error.number == EBADF else {
          throw ToolFailure(
            .failed, "writing standard \(number == 1 ? "output" : "error"): \(error.text)",
            "make room for it")
        }
        closed = true
        let streams = memory.load(ChannelLayout.closedStreamsOffset) | 1 << number
        memory.store(streams, ChannelLayout.closedStreamsOffset)
      }
    }
    isClosed = closed
    return true
  }
}

/// How long to wait where nothing moves: a short spin, then sleeps that grow to a millisecond.
struct IdlePace {
  private var rounds = 0

  var isIdle: Bool { rounds > Self.spins }
  private static var spins: Int { 100 }

  mutating func reset() { rounds = 0 }

  /// Waits, less long where the descriptor can be read (-1: none).
  ///
  /// - Parameter pause: microseconds where it is known that nothing can come from elsewhere.
  mutating func wait(for descriptor: Int32, atMost pause: UInt64? = nil) {
    rounds += 1
    if let pause, rounds > Self.spins {
      _ = wait_readable(descriptor, pause)
      return
    }
    if rounds <= Self.spins {
      for _ in 0..<20 { processor_pause() }
      return
    }
    let microseconds = min(50 << min((rounds - Self.spins) / 8, 5), 1000)
    _ = wait_readable(descriptor, UInt64(microseconds))
  }
}
