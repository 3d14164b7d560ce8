// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// What a terminal does with each byte that comes: keys, lines, echo.
///
/// Linux: `drivers/tty/n_tty.c`.
extension FileSystems {
  /// Whether another byte would be taken now; one more is where a line has grown too long.
  func takesInput(_ terminal: Reference<Terminal>) -> Bool {
    if heap[terminal].pendingCount < Terminal.inputByteCount - 1 { return true }
    return heap[terminal].settings.has(.lines)
      && heap[terminal].lineCount == heap[terminal].readCount
  }

  /// Takes one byte from the terminal's other side. Context: any; does not sleep.
  ///
  /// Linux: `n_tty_receive_char_special()`.
  func receive(_ typed: UInt8, _ terminal: Reference<Terminal>) {
    let settings = heap[terminal].settings
    var byte = typed
    if settings.has(.strip) { byte &= 0x7F }
    if settings.has(.lowerCase), settings.has(.extended), byte >= 0x41, byte <= 0x5A {
      byte += 0x20
    }
    if heap[terminal].isLiteralNext {
      heap[terminal].isLiteralNext = false
      return keep(byte, terminal, settings)
    }
    if settings.has(.flowControl) {
      if settings.isKey(.start, byte) { return startOutput(terminal) }
      if settings.isKey(.stop, byte) {
        heap[terminal].isStopped = true
        return
      }
    }
    if settings.has(.signals), let signal = signal(of: byte, settings) {
      return interrupt(signal, byte, terminal, settings)
    }
    if heap[terminal].isStopped, settings.has(.flowControl), settings.has(.anyKeyStarts) {
      startOutput(terminal)
    }
    if byte == 0x0D {
      if settings.has(.ignoreReturn) { return }
      if settings.has(.returnToNewline) { byte = 0x0A }
    } else if byte == 0x0A, settings.has(.newlineToReturn) {
      byte = 0x0D
    }
    if settings.has(.lines), editsLine(byte, terminal, settings) { return }
    keep(byte, terminal, settings)
  }

  private func signal(of byte: UInt8, _ settings: TerminalSettings) -> Signal? {
    if settings.isKey(.interrupt, byte) { return .SIGINT }
    if settings.isKey(.quit, byte) { return .SIGQUIT }
    if settings.isKey(.suspend, byte) { return .SIGTSTP }
    return nil
  }

  /// Linux: `n_tty_receive_signal_char()`, `isig()`.
  private func interrupt(
    _ signal: Signal, _ byte: UInt8, _ terminal: Reference<Terminal>,
    _ settings: TerminalSettings
  ) {
    let group = heap[terminal].foregroundGroup
    if group != 0 { environment.send(signal, toGroup: group) }
    if !settings.has(.noFlush) {
      flushInput(terminal)
      heap[terminal].takenCount = heap[terminal].outputCount
      environment.wake(outputKey(terminal))
    }
    if settings.has(.flowControl) { startOutput(terminal) }
    if settings.has(.echo) { echo(byte, terminal, settings) }
    finishOutput(terminal)
  }

  /// Forgets what nobody has read. Linux: `reset_buffer_flags()`.
  func flushInput(_ terminal: Reference<Terminal>) {
    let count = heap[terminal].inputCount
    heap[terminal].readCount = count
    heap[terminal].lineCount = count
    heap[terminal].isErasing = false
    heap[terminal].isLiteralNext = false
    terminalBlock(terminal).clear(from: Terminal.lineEndsOffset, byteCount: 512)
    inputTaken(terminal)
  }

  func startOutput(_ terminal: Reference<Terminal>) {
    guard heap[terminal].isStopped else { return }
    heap[terminal].isStopped = false
    environment.wake(outputKey(terminal))
  }

  /// The keys that edit a line, and its ends; true if the byte was one.
  ///
  /// Linux: `n_tty_receive_char_canon()`.
  private func editsLine(
    _ byte: UInt8, _ terminal: Reference<Terminal>, _ settings: TerminalSettings
  ) -> Bool {
    let isExtended = settings.has(.extended)
    if settings.isKey(.erase, byte) || settings.isKey(.kill, byte)
      || (isExtended && settings.isKey(.wordErase, byte))
    {
      erase(byte, terminal, settings)
      finishOutput(terminal)
      return true
    }
    if isExtended, settings.isKey(.literalNext, byte) {
      heap[terminal].isLiteralNext = true
      if settings.has(.echo) {
        finishErasing(terminal, settings)
        if settings.has(.echoControl) {
          put(0x5E, terminal, settings)
          put(0x08, terminal, settings)
          finishOutput(terminal)
        }
      }
      return true
    }
    if isExtended, settings.has(.echo), settings.isKey(.reprint, byte) {
      reprint(byte, terminal, settings)
      return true
    }
    if byte == 0x0A {
      if settings.has(.echo) || settings.has(.echoNewline) { put(byte, terminal, settings) }
      endLine(byte, terminal)
      return true
    }
    if settings.isKey(.endOfFile, byte) {
      endLine(0, terminal)
      return true
    }
    if settings.isKey(.endOfLine, byte) || (isExtended && settings.isKey(.secondEndOfLine, byte)) {
      if settings.has(.echo) {
        markLineColumn(terminal)
        echo(byte, terminal, settings)
      }
      endLine(byte, terminal)
      return true
    }
    return false
  }

  private func reprint(
    _ byte: UInt8, _ terminal: Reference<Terminal>, _ settings: TerminalSettings
  ) {
    finishErasing(terminal, settings)
    echo(byte, terminal, settings)
    put(0x0A, terminal, settings)
    var place = heap[terminal].lineCount
    while place != heap[terminal].inputCount {
      echo(inputByte(place, terminal), terminal, settings)
      place += 1
    }
    finishOutput(terminal)
  }

  /// A byte without an effect of its own. Linux: `n_tty_receive_char()`.
  private func keep(
    _ byte: UInt8, _ terminal: Reference<Terminal>, _ settings: TerminalSettings
  ) {
    if heap[terminal].pendingCount >= Terminal.inputByteCount - 1 {
      if settings.has(.bellWhenFull) { put(0x07, terminal, settings) }
      return finishOutput(terminal)
    }
    if settings.has(.echo) {
      finishErasing(terminal, settings)
      if byte == 0x0A {
        put(byte, terminal, settings)
      } else {
        markLineColumn(terminal)
        echo(byte, terminal, settings)
      }
      finishOutput(terminal)
    }
    append(byte, terminal)
    if !settings.has(.lines) { inputChanged(terminal) }
  }

  /// A line that is begun begins at this column. Linux: `echo_set_canon_col()`.
  private func markLineColumn(_ terminal: Reference<Terminal>) {
    guard heap[terminal].lineCount == heap[terminal].inputCount else { return }
    heap[terminal].lineColumn = heap[terminal].column
  }

  private func append(_ byte: UInt8, _ terminal: Reference<Terminal>) {
    let place = Int(heap[terminal].inputCount) & (Terminal.inputByteCount - 1)
    terminalBlock(terminal).store(byte, at: place)
    heap[terminal].inputCount += 1
  }

  private func endLine(_ byte: UInt8, _ terminal: Reference<Terminal>) {
    setLineEnd(heap[terminal].inputCount, true, terminal)
    append(byte, terminal)
    heap[terminal].lineCount = heap[terminal].inputCount
    finishOutput(terminal)
    inputChanged(terminal)
    tellOwners(terminalKey(terminal), .input)
  }

  /// Sends signals that bytes came, where there are no lines; those are told one by one.
  ///
  /// Linux: the end of `__receive_buf()`.
  func signalInput(_ terminal: Reference<Terminal>) {
    guard !heap[terminal].settings.has(.lines), heap[terminal].pendingCount > 0 else { return }
    tellOwners(terminalKey(terminal), .input)
  }

  // Bytes of the input by their count

  func inputByte(_ count: UInt64, _ terminal: Reference<Terminal>) -> UInt8 {
    terminalBlock(terminal).load(UInt8.self, at: Int(count) & (Terminal.inputByteCount - 1))
  }

  func isLineEnd(_ count: UInt64, _ terminal: Reference<Terminal>) -> Bool {
    let place = Int(count) & (Terminal.inputByteCount - 1)
    let word = terminalBlock(terminal).load(
      UInt8.self, at: Terminal.lineEndsOffset + place >> 3)
    return word >> UInt8(place & 7) & 1 != 0
  }

  func setLineEnd(_ count: UInt64, _ isEnd: Bool, _ terminal: Reference<Terminal>) {
    let place = Int(count) & (Terminal.inputByteCount - 1)
    let block = terminalBlock(terminal)
    let offset = Terminal.lineEndsOffset + place >> 3
    let bit = UInt8(1) << UInt8(place & 7)
    let old = block.load(UInt8.self, at: offset)
    block.store(isEnd ? old | bit : old & ~bit, at: offset)
  }
}
