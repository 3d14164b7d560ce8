// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// Reading from a terminal: a line, or as many bytes as the settings wait for.
///
/// Linux: `n_tty_read()`.
extension FileSystems {
  /// - Throws: EIO in the background where no signal can stop the reader, EINTR, EAGAIN, EFAULT.
  /// - Context: may sleep.
  func readTerminal(
    _ file: Reference<OpenFile>, to target: TransferMemory, byteCount: Int
  ) throws(Errno) -> Int {
    let terminal = Reference<Terminal>(raw: heap[file].attachment)
    if heap[terminal].isHungUp { return 0 }
    try checkJobControl(terminal, .SIGTTIN)
    if byteCount == 0 { return 0 }
    let mayWait = !heap[file].flags.contains(.nonBlocking)
    while heap[terminal].isBusy {
      guard mayWait else { throw .EAGAIN }
      guard environment.sleepInterruptibly(on: busyKey(terminal)) else { throw .EINTR }
    }
    heap[terminal].isBusy = true
    defer {
      heap[terminal].isBusy = false
      environment.wake(busyKey(terminal))
    }
    if heap[terminal].settings.has(.lines) {
      guard try waitForInput(terminal, mayWait: mayWait, until: .never) else { return 0 }
      return try takeLine(terminal, to: target, byteCount: byteCount)
    }
    return try readBytes(terminal, to: target, byteCount: byteCount, mayWait: mayWait)
  }

  private func busyKey(_ terminal: Reference<Terminal>) -> SleepKey {
    .object(terminal.raw, channel: 8)
  }

  /// Waits for input; false where the other side has gone or the time is over.
  private func waitForInput(
    _ terminal: Reference<Terminal>, mayWait: Bool, until limit: VirtualTime
  ) throws(Errno) -> Bool {
    while !hasInput(terminal) {
      if heap[terminal].isHungUp { return false }
      if heap[terminal].isPseudo, !heap[terminal].hasMaster { throw .EIO }
      if machine.now >= limit { return false }
      guard mayWait else { throw .EAGAIN }
      guard environment.sleepInterruptibly(on: inputKey(terminal), until: limit) else {
        throw .EINTR
      }
      try checkJobControl(terminal, .SIGTTIN)
    }
    return true
  }

  /// Up to the end of a line; an end that a key made is not part of it.
  ///
  /// Linux: `canon_copy_from_read_buf()`.
  private func takeLine(
    _ terminal: Reference<Terminal>, to target: TransferMemory, byteCount: Int
  ) throws(Errno) -> Int {
    var end = heap[terminal].readCount
    var isEnd = false
    let limit = min(heap[terminal].lineCount, end + UInt64(byteCount))
    while end < limit, !isEnd {
      isEnd = isLineEnd(end, terminal)
      end += 1
    }
    let isMark = isEnd && inputByte(end - 1, terminal) == 0
    let count = Int(end - heap[terminal].readCount) - (isMark ? 1 : 0)
    let done = try copyInput(terminal, count, to: target)
    guard done == count else { return done }
    if isEnd { setLineEnd(end - 1, false, terminal) }
    heap[terminal].readCount = end
    // A line that fills the buffer exactly takes its mark along. Linux: `EOF` after `*nr` bytes.
    if !isEnd, end < heap[terminal].lineCount, isLineEnd(end, terminal),
      inputByte(end, terminal) == 0
    {
      setLineEnd(end, false, terminal)
      heap[terminal].readCount = end + 1
    }
    inputTaken(terminal)
    return done
  }

  /// Copies the next bytes of the input, and counts them as read.
  private func copyInput(
    _ terminal: Reference<Terminal>, _ count: Int, to target: TransferMemory
  ) throws(Errno) -> Int {
    var done = 0
    while done < count {
      let place = Int(heap[terminal].readCount) & (Terminal.inputByteCount - 1)
      let part = min(count - done, Terminal.inputByteCount - place)
      let copied = copy(
        from: terminalBlock(terminal), at: place, byteCount: part,
        to: target.advanced(by: done))
      heap[terminal].readCount += UInt64(copied)
      done += copied
      if copied < part { break }
    }
    guard done > 0 || count == 0 else { throw .EFAULT }
    return done
  }

  /// Without lines: VMIN bytes, or those that come within VTIME tenths of a second.
  private func readBytes(
    _ terminal: Reference<Terminal>, to target: TransferMemory, byteCount: Int, mayWait: Bool
  ) throws(Errno) -> Int {
    let settings = heap[terminal].settings
    var minimum = Int(settings.character(.minimum))
    let time = UInt64(settings.character(.time)) * 100_000_000
    // With VTIME alone the clock runs from the start, otherwise from each byte.
    var limit = VirtualTime.never
    if minimum == 0 {
      minimum = 1
      limit = machine.now.advanced(byNanoseconds: time)
    }
    var done = 0
    while done < byteCount {
      let isThere: Bool
      do {
        isThere = try waitForInput(terminal, mayWait: mayWait, until: limit)
      } catch {
        if done > 0 { return done }
        throw error
      }
      guard isThere else { break }
      let count = min(byteCount - done, heap[terminal].pendingCount)
      do {
        let copied = try copyInput(terminal, count, to: target.advanced(by: done))
        done += copied
        if copied < count { break }
      } catch {
        if done > 0 { break }
        throw error
      }
      inputTaken(terminal)
      if done >= min(minimum, byteCount) { break }
      if time > 0, settings.character(.minimum) > 0 {
        limit = machine.now.advanced(byNanoseconds: time)
      }
    }
    return done
  }

  /// Stops a reader or writer in the background. Linux: `__tty_check_change()`.
  ///
  /// - Throws: EINTR where a signal will stop it, EIO where none can.
  func checkJobControl(_ terminal: Reference<Terminal>, _ signal: Signal) throws(Errno) {
    let client = environment.terminalClient
    guard client.terminal == terminal else { return }
    let foreground = heap[terminal].foregroundGroup
    guard foreground != 0, foreground != client.group else { return }
    if environment.isIgnored(signal) {
      if signal == .SIGTTIN { throw .EIO }
      return
    }
    guard !client.isOrphaned else { throw .EIO }
    environment.send(signal, toGroup: client.group)
    throw .EINTR
  }
}
