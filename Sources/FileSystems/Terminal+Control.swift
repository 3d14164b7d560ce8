// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// The requests to terminals.
///
/// Linux: `tty_ioctl()`, `n_tty_ioctl_helper()`.
extension FileSystems {
  /// The terminal that an open file is, or whose master it is.
  public func terminal(of file: Reference<OpenFile>) -> Reference<Terminal>? {
    switch heap[file].behaviour {
    case .special(.terminal), .special(.terminalMaster): Reference(raw: heap[file].attachment)
    default: nil
    }
  }

  private func isMaster(_ file: Reference<OpenFile>) -> Bool {
    guard case .special(.terminalMaster) = heap[file].behaviour else { return false }
    return true
  }

  /// Does what a request asks for.
  ///
  /// - Parameter argument: a number, or where the request's value is.
  /// - Throws: ENOTTY of other files, EIO of one whose other side has gone, EFAULT, EINVAL,
  ///   EPERM, EINTR in the background.
  /// - Context: may sleep.
  public func control(
    _ file: Reference<OpenFile>, _ request: DeviceRequest, _ argument: TransferMemory,
    _ number: UInt64
  ) throws(Errno) {
    guard let terminal = terminal(of: file) else { throw .ENOTTY }
    if !isMaster(file), heap[terminal].isHungUp { throw .EIO }
    switch request {
    case .getTerminalSettings:
      var settings = heap[terminal].settings
      try copyOut(&settings, to: argument)
    case .setTerminalSettings, .setTerminalSettingsDrained, .setTerminalSettingsFlushed:
      if !isMaster(file) { try checkJobControl(terminal, .SIGTTOU) }
      let settings: TerminalSettings = try value(TerminalSettings.standard, at: argument)
      if request == .setTerminalSettingsFlushed { flushInput(terminal) }
      set(settings, of: terminal)
    case .getWindowSize:
      var window = heap[terminal].window
      try copyOut(&window, to: argument)
    case .setWindowSize:
      resize(terminal, to: try value(WindowSize(rows: 0, columns: 0), at: argument))
    case .readableByteCount:
      var count = UInt32(readableCount(terminal, isMaster: isMaster(file)))
      try copyOut(&count, to: argument)
    case .writableByteCount:
      var count: UInt32 = 0
      try copyOut(&count, to: argument)
    case .flushTerminal, .controlFlow:
      if !isMaster(file) { try checkJobControl(terminal, .SIGTTOU) }
      if request == .flushTerminal {
        try flush(terminal, number)
      } else {
        try controlFlow(terminal, number)
      }
    case .insertInput:
      let byte: UInt8 = try value(0, at: argument)
      let client = environment.terminalClient
      guard client.terminal == terminal || client.isPrivileged else { throw .EPERM }
      receive(byte, terminal)
    case .sendBreak, .sendPosixBreak, .setExclusive, .clearExclusive: return
    case .lockPseudoTerminal, .getPseudoTerminalLock, .getPseudoTerminalNumber:
      try controlMaster(file, terminal, request, argument)
    default: try controlSession(terminal, request, argument, number, isMaster: isMaster(file))
    }
  }

  private func controlMaster(
    _ file: Reference<OpenFile>, _ terminal: Reference<Terminal>, _ request: DeviceRequest,
    _ argument: TransferMemory
  ) throws(Errno) {
    guard isMaster(file), let number = heap[terminal].number else { throw .ENOTTY }
    var value: UInt32 = number
    switch request {
    case .lockPseudoTerminal:
      heap[terminal].isLocked = try self.value(UInt32(0), at: argument) != 0
      return
    case .getPseudoTerminalLock: value = heap[terminal].isLocked ? 1 : 0
    default: break
    }
    try copyOut(&value, to: argument)
  }

  /// Linux: `tty_jobctrl_ioctl()`.
  private func controlSession(
    _ terminal: Reference<Terminal>, _ request: DeviceRequest, _ argument: TransferMemory,
    _ number: UInt64, isMaster: Bool
  ) throws(Errno) {
    let client = environment.terminalClient
    let isOwn = client.terminal == terminal
    switch request {
    case .setControllingTerminal: try takeTerminal(terminal, steals: number == 1)
    case .dropControllingTerminal:
      guard isOwn else { throw .ENOTTY }
      dropControllingTerminal()
    case .getForegroundGroup:
      guard isOwn || isMaster else { throw .ENOTTY }
      var group = heap[terminal].foregroundGroup
      try copyOut(&group, to: argument)
    case .setForegroundGroup:
      let group: Int32 = try value(0, at: argument)
      if isOwn, !isMaster { try checkJobControl(terminal, .SIGTTOU) }
      guard client.terminal != nil, isOwn || isMaster,
        heap[terminal].session == client.session
      else { throw .ENOTTY }
      guard group >= 0 else { throw .EINVAL }
      switch environment.session(ofGroup: UInt32(group)) {
      case nil: throw .ESRCH
      case client.session: heap[terminal].foregroundGroup = UInt32(group)
      default: throw .EPERM
      }
    case .getTerminalSession:
      guard isOwn || isMaster, heap[terminal].session != 0 else { throw .ENOTTY }
      var session = heap[terminal].session
      try copyOut(&session, to: argument)
    default: throw .ENOTTY
    }
  }

  /// A plain value of the program's.
  private func value<Value: BitwiseCopyable>(
    _ initial: Value, at source: TransferMemory
  ) throws(Errno) -> Value {
    var value = initial
    let size = MemoryLayout<Value>.size
    let copied = withMemoryBlock(over: &value) {
      copy(from: source, byteCount: size, to: $0, at: 0)
    }
    guard copied == size else { throw .EFAULT }
    return value
  }

  /// Linux: `n_tty_set_termios()`.
  func set(_ settings: TerminalSettings, of terminal: Reference<Terminal>) {
    let old = heap[terminal].settings
    var new = settings
    new.lineDiscipline = old.lineDiscipline
    heap[terminal].settings = new
    if old.has(.lines) != new.has(.lines) {
      terminalBlock(terminal).clear(from: Terminal.lineEndsOffset, byteCount: 512)
      let hasBytes = heap[terminal].pendingCount > 0
      if new.has(.lines), hasBytes {
        setLineEnd(heap[terminal].inputCount - 1, true, terminal)
        heap[terminal].lineCount = heap[terminal].inputCount
      } else {
        heap[terminal].lineCount = heap[terminal].readCount
      }
      heap[terminal].isErasing = false
      heap[terminal].isLiteralNext = false
    }
    if !new.has(.flowControl), old.has(.flowControl) { startOutput(terminal) }
    inputChanged(terminal)
  }

  /// Linux: `n_tty_ioctl()` with TIOCINQ.
  func readableCount(_ terminal: Reference<Terminal>, isMaster: Bool) -> Int {
    if isMaster { return heap[terminal].pendingOutputCount }
    guard heap[terminal].settings.has(.lines) else { return heap[terminal].pendingCount }
    var count = Int(heap[terminal].lineCount - heap[terminal].readCount)
    var place = heap[terminal].readCount
    while place < heap[terminal].lineCount {
      // What a key made of a line's end is not read.
      if isLineEnd(place, terminal), inputByte(place, terminal) == 0 { count -= 1 }
      place += 1
    }
    return count
  }

  /// Linux: `TCFLSH`.
  private func flush(_ terminal: Reference<Terminal>, _ queue: UInt64) throws(Errno) {
    guard queue <= 2 else { throw .EINVAL }
    if queue != 1 { flushInput(terminal) }
    if queue != 0 {
      heap[terminal].takenCount = heap[terminal].outputCount
      environment.wake(outputKey(terminal))
    }
  }

  /// Linux: `TCXONC`.
  private func controlFlow(_ terminal: Reference<Terminal>, _ action: UInt64) throws(Errno) {
    switch action {
    case 0: heap[terminal].isStopped = true
    case 1: startOutput(terminal)
    case 2, 3:
      let settings = heap[terminal].settings
      let byte = settings.character(action == 2 ? .stop : .start)
      if byte != 0 {
        emit(byte, terminal)
        finishOutput(terminal)
      }
    default: throw .EINVAL
    }
  }
}
