// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryEvents
import MemoryUnits

/// The terminal whose other side is the host's.
///
/// What the host has is only looked at with the clock stopped, and only where a machine was
/// started to hand input over as it comes: then a run cannot be repeated, and says so.
///
/// Linux: `drivers/tty/vt`, the console as a serial line has it.
extension FileSystems {
  /// Whether input is handed over as it comes; set before the start and never changed.
  public var isInteractive: Bool {
    isTerminal(0)
      || machine.channel.load(UInt64.self, at: ChannelLayout.interactiveOffset) != 0
  }

  /// The machine's console, made when it is first asked for.
  ///
  /// - Throws: ENXIO where no stream is a terminal, ENOMEM.
  public func console() throws(Errno) -> Reference<Terminal> {
    guard state.value.terminals != 0 else { throw .ENXIO }
    if let terminal = state.value.console.reference { return terminal }
    let terminal = try makeTerminal(number: nil)
    heap[terminal].isLocked = false
    heap[terminal].window = hostWindow()
    state.value.console = Link(terminal)
    return terminal
  }

  /// Makes the console, if a stream is one, the terminal of the session that the machine was
  /// started for. Throws: ENOMEM.
  public func attachConsole(toSession session: UInt32) throws(Errno) -> Reference<Terminal>? {
    guard state.value.terminals != 0 else { return nil }
    let terminal = try console()
    heap[terminal].session = session
    heap[terminal].foregroundGroup = session
    return terminal
  }

  private func hostWindow() -> WindowSize {
    var word: UInt64 = 0
    let channel = machine.channel
    machine.withClockStopped { word = channel.loadShared(at: ChannelLayout.windowSizeOffset) }
    return withMemoryBlock(over: &word) { $0.load(WindowSize.self, at: 0) }
  }

  // Output

  /// The stream that shows the console: the first of stdout and stderr that is a terminal.
  private var consoleStream: OutputStream.Name {
    isTerminal(1) || !isTerminal(2) ? .output : .error
  }

  /// Sends a byte to the host's terminal, if any of its streams shows it.
  func emitToHost(_ byte: UInt8) {
    guard isTerminal(1) || isTerminal(2) else { return }
    let name = consoleStream
    if stream(name).pendingCount == stream(name).ringByteCount {
      showToHost()
      waitUntilTaken(name)
    }
    guard !stream(name).isClosed else { return }
    let ring = machine.channel.part(
      from: stream(name).ringOffset, byteCount: stream(name).ringByteCount)
    var changed = stream(name)
    ring.store(byte, at: Int(changed.writtenCount % UInt64(ring.byteCount)))
    changed.writtenCount += 1
    changed.pendingCount += 1
    setStream(name, changed)
    state.value.consoleCount += 1
  }

  /// Shows the host what was sent since the last time.
  func showToHost() {
    let count = state.value.consoleCount
    guard count > 0 else { return }
    state.value.consoleCount = 0
    let name = consoleStream
    machine.channel.storeShared(stream(name).writtenCount, at: stream(name).headOffset)
    record(.streamTransferred, detail: UInt16(name.rawValue), value: UInt64(count))
  }

  // Input

  /// Takes what has come from the host since the last look; true if there was anything.
  ///
  /// - Precondition: the machine is interactive.
  /// - Context: any; does not sleep.
  public func takeHostInput() -> Bool {
    let channel = machine.channel
    let first = state.value.input.readCount
    var ended: UInt64 = 0
    var head: UInt64 = 0
    var window: UInt64 = 0
    channel.storeShared(first + 4096, at: ChannelLayout.inputWantedOffset)
    machine.withClockStopped {
      ended = channel.loadShared(at: ChannelLayout.inputEndedOffset)
      head = channel.loadShared(at: ChannelLayout.inputHeadOffset)
      window = channel.loadShared(at: ChannelLayout.windowSizeOffset)
    }
    if let terminal = state.value.console.reference, window != 0 {
      resize(terminal, to: withMemoryBlock(over: &window) { $0.load(WindowSize.self, at: 0) })
    }
    guard isTerminal(0) else {
      guard head > first || ended != 0 else { return false }
      environment.wake(Self.inputKey)
      readinessChanged(Self.inputKey, .input.union(.normalInput))
      tellOwners(Self.inputKey, .input)
      return true
    }
    guard let terminal = state.value.console.reference else { return false }
    let ring = channel.part(
      from: ChannelLayout.inputOffset, byteCount: ChannelLayout.inputBytes)
    var count = first
    while count < head, takesInput(terminal) {
      let byte = ring.load(UInt8.self, at: Int(count % UInt64(ring.byteCount)))
      count += 1
      receive(byte, terminal)
    }
    signalInput(terminal)
    if ended != 0, count == head, !heap[terminal].isHungUp {
      heap[terminal].openCount += 1
      hangUp(terminal)
      heap[terminal].openCount -= 1
      return true
    }
    guard count > first else { return false }
    state.value.input.readCount = count
    channel.storeShared(count, at: ChannelLayout.inputTailOffset)
    record(.streamTransferred, detail: 0, value: count - first)
    return true
  }

  /// Waits with the clock stopped until a time has passed on the host's clock or something has
  /// come from the host, and moves virtual time on as far.
  ///
  /// - Precondition: the machine is interactive, and nobody can run.
  public func waitForHost(until limit: VirtualTime) {
    let channel = machine.channel
    let now = machine.now
    state.value.hostWaitCount += 1
    let sequence = state.value.hostWaitCount
    let duration = limit == .never ? UInt64.max : limit.nanoseconds - now.nanoseconds
    channel.storeShared(
      state.value.input.readCount + 4096, at: ChannelLayout.inputWantedOffset)
    channel.storeShared(duration, at: ChannelLayout.idleLimitOffset)
    channel.storeShared(sequence, at: ChannelLayout.idleSequenceOffset)
    var passed: UInt64 = 0
    machine.withClockStopped {
      while channel.loadShared(at: ChannelLayout.idleAnsweredOffset) != sequence {}
      passed = channel.loadShared(at: ChannelLayout.idlePassedOffset)
    }
    machine.advance(to: now.advanced(byNanoseconds: min(passed, duration)))
  }
}
