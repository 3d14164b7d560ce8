// SPDX-License-Identifier: Apache-2.0

import CHostSystem
import Glibc
import MemoryEvents

/// Serves the channel while a machine runs: takes events, output and the kernel's text, and gives
/// input as far as the kernel asks for it.
///
/// When something is done depends on the host; what is done does not: bytes keep their order, and
/// input is read no further than the guest waits for.
final class GuestChannel {
  /// How the serving ended.
  enum End: Equatable {
    /// The kernel said so; the mailbox has the rest.
    case stopped(ExitState)
    /// The emulator ended first, with this status.
    case emulatorEnded(Int32)
    /// A signal came to the tool; SIGALRM for the time limit.
    case signal(Int32)
  }

  private let memory: GuestMemory
  private let log: EventLog
  private var events = RingReader.events
  private var output = OutputStream(.output, descriptor: 1, number: 1)
  private var error = OutputStream(.error, descriptor: 2, number: 2)
  private var text = RingReader.text
  private var input = InputRing()
  private let saved: SavedFiles?
  private let copies: RunCopies?
  private let inputDescriptor: Int32
  private let isVerbose: Bool
  /// The end of what the kernel said, for a failure's line.
  private(set) var lastText: [UInt8] = []

  /// Whether somebody stopped reading one of the streams before the end.
  var hasClosedStream: Bool { output.isClosed || error.isClosed }

  init(
    _ memory: GuestMemory, log: EventLog, input: Int32 = 0, output: Int32 = 1, error: Int32 = 2,
    saved: SavedFiles? = nil, copies: RunCopies? = nil, isVerbose: Bool = false
  ) {
    self.saved = saved
    self.copies = copies
    self.memory = memory
    self.log = log
    self.isVerbose = isVerbose
    inputDescriptor = input
    self.output = OutputStream(
      .output, descriptor: output, number: 1, copy: copies?.output ?? -1)
    self.error = OutputStream(
      .error, descriptor: error, number: 2, copy: copies?.error ?? -1)
  }

  /// Prepares the mailbox before the machine starts.
  func prepare(arguments: [UInt8], terminals: UInt64, seed: UInt64, diskBytes: [UInt64]) {
    // SAFETY: `ArgumentBlock` keeps the block within its place, and copyBytes checks it.
    unsafe memory.withChannel(
      at: ChannelLayout.argumentsOffset, count: ChannelLayout.argumentsBytes
    ) { place in
      unsafe place.copyBytes(from: arguments)
    }
    memory.store(memory.size.value, ChannelLayout.memoryBytesOffset)
    memory.store(UInt64(arguments.count), ChannelLayout.argumentBytesOffset)
    memory.store(terminals, ChannelLayout.terminalsOffset)
    memory.store(seed, ChannelLayout.seedOffset)
    for (index, bytes) in diskBytes.enumerated() {
      memory.store(bytes, ChannelLayout.diskBytesOffset + index * 8)
    }
    memory.store(ChannelLayout.magic, ChannelLayout.magicOffset)
  }

  /// Serves until the machine stops.
  ///
  /// - Parameters:
  ///   - console: the host's terminal and signals; nil where only bytes are moved.
  ///   - emulatorStatus: the emulator's status once it has ended.
  func serve(
    console: HostConsole? = nil, emulatorStatus: () -> Int32?
  ) throws(ToolFailure) -> End {
    var idle = IdlePace()
    while true {
      let signal = watched_signal()
      if signal != 0 { return .signal(signal) }
      // Asked before the counters are read, so that nothing is written after the last look.
      let state = memory.load(ChannelLayout.exitStateOffset)
      // Asking costs a call, so it is done only where nothing moves.
      let status = idle.isIdle ? emulatorStatus() : nil
      let moved = try drain()
      if let end = ExitState(rawValue: state), end != .running {
        try writeRest()
        return .stopped(end)
      }
      if let status {
        try writeRest()
        let last = ExitState(rawValue: memory.load(ChannelLayout.exitStateOffset))
        if let last, last != .running { return .stopped(last) }
        return .emulatorEnded(status)
      }
      let hasInput = readInput()
      let pause = console?.serve(input)
      if moved || hasInput {
        idle.reset()
      } else {
        idle.wait(for: input.wanted(in: memory) > 0 ? inputDescriptor : -1, atMost: pause)
      }
    }
  }

  /// Takes what is there; says whether there was anything.
  private func drain() throws(ToolFailure) -> Bool {
    // The streams' heads are read before the events': whatever was written up to here is
    // announced by an event that is read now, except for the last transfer. So two streams that
    // end in one place keep the order in which the program wrote.
    let outputHead = try output.ring.head(in: memory)
    let errorHead = try error.ring.head(in: memory)
    let eventHead = try events.head(in: memory)
    var moved = eventHead != events.tail
    var failure: ToolFailure?
    // SAFETY: the log only reads the records, within their length.
    try unsafe events.read(to: eventHead, from: memory) { (records) throws(ToolFailure) in
      try unsafe log.add(records) { event in
        guard event.kind == EventKind.streamTransferred.rawValue else { return }
        do throws(ToolFailure) {
          if event.detail == 1 {
            try output.announce(event.value, head: outputHead, in: memory)
          } else if event.detail == 2 {
            try error.announce(event.value, head: errorHead, in: memory)
          }
        } catch { failure = failure ?? error }
      }
    }
    if let failure { throw failure }
    if try output.write(to: outputHead, from: memory) { moved = true }
    if try error.write(to: errorHead, from: memory) { moved = true }
    if try drainText() { moved = true }
    if let saved, try saved.drain(from: memory) { moved = true }
    return moved
  }

  /// After the end: a stream may have grown since its head was read.
  private func writeRest() throws(ToolFailure) {
    while try drain() {}
  }

  private func drainText() throws(ToolFailure) -> Bool {
    let head = try text.head(in: memory)
    if head == text.tail { return false }
    // SAFETY: the part is only read, within its length.
    try unsafe text.read(to: head, from: memory) { (part) throws(ToolFailure) in
      unsafe lastText += Array(part)
      if lastText.count > 4096 { lastText.removeFirst(lastText.count - 4096) }
      // Nobody may be there to read it; the machine goes on.
      if isVerbose { unsafe try? writeAll(part, to: 2) }
    }
    return true
  }

  /// Reads input that the kernel waits for, where some is there; says whether anything came.
  private func readInput() -> Bool {
    let count = input.wanted(in: memory)
    guard count > 0 else { return false }
    guard wait_readable(inputDescriptor, 0) != 0 else { return false }
    var hasEnded = false
    // SAFETY: the part says its own length.
    unsafe input.fill(count, in: memory) { place in
      let result = unsafe read(inputDescriptor, place.baseAddress, place.count)
      // A closed or broken input ends like an empty one.
      if result > 0, let copies {
        // SAFETY: so many bytes of the part were read.
        unsafe try? writeAll(
          UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(place)[..<result]),
          to: copies.input)
      }
      hasEnded = result == 0 || (result < 0 && errno != EINTR && errno != EAGAIN)
      return max(result, 0)
    }
    if hasEnded { input.end(in: memory) }
    return true
  }
}
