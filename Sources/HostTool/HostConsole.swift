// SPDX-License-Identifier: Apache-2.0

import CHostSystem
import Glibc
import MemoryEvents

/// What the host does for a machine beside moving bytes: its terminal, its signals, its clock.
///
/// A terminal that is standard input is raw as long as the machine runs, and is set as it was
/// whatever ends the tool. SIGTSTP stops the machine with the tool. A machine that waits for the
/// host's clock, or for input with its own stopped, is stopped meanwhile, since it can do nothing
/// but look.
final class HostConsole {
  private let memory: GuestMemory
  private let terminal: Int32?
  private var emulator: Int32 = 0

  /// What may end a wait before its time.
  private struct Arrivals: Equatable {
    var input: UInt64 = 0
    var hasInputEnded = false
    var signals: UInt64 = 0
    var window: UInt64 = 0
  }

  private var answered: UInt64 = 0
  private var begun: (sequence: UInt64, time: UInt64)?
  /// What there was when the last wait ended: what came after it was seen may have been missed.
  private var seen = Arrivals()
  private var isStopped = false
  /// Since when the machine waits for input that is not there.
  private var inputWaitBegun: UInt64?

  /// - Parameter terminals: bit n is set where standard stream n is a terminal.
  init(_ memory: GuestMemory, terminals: UInt64) {
    self.memory = memory
    terminal = terminals & 1 != 0 ? 0 : nil
    memory.store(terminal_window(), ChannelLayout.windowSizeOffset)
  }

  /// Makes the terminal raw, and lets signals go to the machine.
  func open() {
    if let terminal, terminal_open(terminal) == 0 { _ = terminal_make_raw(terminal) }
    // SAFETY: the ring lies in the mapping, which `close` outlives.
    unsafe memory.withChannel(at: 0, count: ChannelLayout.argumentsOffset) { mailbox in
      let base = mailbox.baseAddress!
      var ring = unsafe signal_ring(
        head: base + ChannelLayout.signalHeadOffset, tail: base + ChannelLayout.signalTailOffset,
        bytes: (base + ChannelLayout.signalRingOffset).assumingMemoryBound(to: UInt8.self),
        size: UInt64(ChannelLayout.signalRingBytes))
      unsafe forward_signals(&ring)
    }
  }

  /// The machine's emulator, which is stopped where there is nothing to do.
  func attend(to emulator: Int32) { self.emulator = emulator }

  func close() {
    forward_signals(nil)
    if let terminal { terminal_close(terminal) }
  }

  deinit { close() }

  /// Does what signals and the machine ask for.
  ///
  /// - Returns: how many microseconds nothing has to be done if no input comes; nil while the
  ///   machine runs.
  func serve(_ input: InputRing) -> UInt64? {
    if take_stop() != 0 { stopWithMachine() }
    if take_continuation() != 0 { goOn() }
    if take_window_change() != 0 {
      memory.store(terminal_window(), ChannelLayout.windowSizeOffset)
    }
    let sequence = memory.load(ChannelLayout.idleSequenceOffset)
    if sequence == answered { return attendWait(for: input) }
    let now = monotonic_nanoseconds()
    if begun?.sequence != sequence { begun = (sequence, now) }
    let passed = now - (begun?.time ?? now)
    let limit = memory.load(ChannelLayout.idleLimitOffset)
    let arrivals = Arrivals(
      input: input.head, hasInputEnded: input.hasEnded,
      signals: memory.load(ChannelLayout.signalHeadOffset),
      window: memory.load(ChannelLayout.windowSizeOffset))
    if passed >= limit || arrivals != seen {
      seen = arrivals
      answer(sequence, min(passed, limit))
      return nil
    }
    if passed > Self.shortWait, !isStopped, emulator > 0 {
      isStopped = kill(emulator, SIGSTOP) == 0
    }
    return max(min((limit - passed) / 1000, Self.longestPause), 1)
  }

  /// Stops a machine whose clock stands still until there is input, and lets it go on then, or
  /// when a signal came. Where input is handed over as it comes, no clock waits for it.
  private func attendWait(for input: InputRing) -> UInt64? {
    let isSignalled =
      memory.load(ChannelLayout.signalHeadOffset) != memory.load(ChannelLayout.signalTailOffset)
    guard memory.load(ChannelLayout.interactiveOffset) == 0, input.wanted(in: memory) > 0,
      !isSignalled
    else {
      inputWaitBegun = nil
      letGoOn()
      return nil
    }
    let now = monotonic_nanoseconds()
    let begun = inputWaitBegun ?? now
    inputWaitBegun = begun
    guard now - begun > Self.shortWait else { return nil }
    if !isStopped, emulator > 0 { isStopped = kill(emulator, SIGSTOP) == 0 }
    return Self.longestPause
  }

  private func answer(_ sequence: UInt64, _ passed: UInt64) {
    memory.store(passed, ChannelLayout.idlePassedOffset)
    memory.store(sequence, ChannelLayout.idleAnsweredOffset)
    answered = sequence
    letGoOn()
  }

  private func letGoOn() {
    guard isStopped else { return }
    isStopped = false
    kill(emulator, SIGCONT)
  }

  /// Linux: what the terminal's Ctrl-Z does to a program that is no machine.
  private func stopWithMachine() {
    if emulator > 0 { kill(emulator, SIGSTOP) }
    if let terminal { terminal_restore(terminal) }
    raise(SIGSTOP)
  }

  private func goOn() {
    if let terminal { _ = terminal_make_raw(terminal) }
    memory.store(terminal_window(), ChannelLayout.windowSizeOffset)
    if emulator > 0, !isStopped { kill(emulator, SIGCONT) }
  }

  /// Nanoseconds that a machine may look for an answer before it is stopped.
  private static var shortWait: UInt64 { 2_000_000 }
  /// Microseconds after which signals are looked at.
  private static var longestPause: UInt64 { 20_000 }
}
