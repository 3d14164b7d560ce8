// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryEvents
import MemoryUnits

/// Writing to a terminal, and where what it shows goes: to the host, or to the master.
///
/// Linux: `n_tty_write()`.
extension FileSystems {
  /// - Throws: EIO where the other side has gone, EINTR, EAGAIN, EFAULT, ENOMEM.
  /// - Context: may sleep.
  func writeTerminal(
    _ file: Reference<OpenFile>, from source: TransferMemory, byteCount: Int
  ) throws(Errno) -> Int {
    let terminal = Reference<Terminal>(raw: heap[file].attachment)
    if heap[terminal].isHungUp { throw .EIO }
    if heap[terminal].settings.has(.stopsBackgroundOutput) {
      try checkJobControl(terminal, .SIGTTOU)
    }
    if byteCount == 0 { return 0 }
    return try withPathBuffer { (block) throws(Errno) in
      var done = 0
      while done < byteCount {
        let count = min(byteCount - done, block.byteCount)
        let copied = copy(from: source.advanced(by: done), byteCount: count, to: block, at: 0)
        var shown = 0
        do throws(Errno) {
          shown = try show(block, copied, terminal, file)
        } catch {
          heap[terminal].wantsRoomSignal = heap[file].flags.contains(.signalsReadiness)
          if done > 0 { return done }
          throw error
        }
        if shown < copied {
          heap[terminal].wantsRoomSignal = heap[file].flags.contains(.signalsReadiness)
        }
        done += shown
        if shown < count { break }
      }
      guard done > 0 else { throw .EFAULT }
      return done
    }
  }

  /// Shows bytes, waiting for room; how many were shown before a signal came or nobody waits.
  private func show(
    _ block: MemoryBlock, _ count: Int, _ terminal: Reference<Terminal>,
    _ file: Reference<OpenFile>
  ) throws(Errno) -> Int {
    var done = 0
    while done < count {
      if heap[terminal].isHungUp || (heap[terminal].isPseudo && !heap[terminal].hasMaster) {
        if done == 0 { throw .EIO }
        break
      }
      // A tab can become eight characters.
      if heap[terminal].isStopped || outputRoom(terminal) < 8 {
        finishOutput(terminal)
        if heap[file].flags.contains(.nonBlocking) {
          if done == 0 { throw .EAGAIN }
          break
        }
        guard environment.sleepInterruptibly(on: outputKey(terminal)) else {
          if done == 0 { throw .EINTR }
          break
        }
        continue
      }
      put(block.load(UInt8.self, at: done), terminal, heap[terminal].settings)
      done += 1
    }
    finishOutput(terminal)
    return done
  }

  /// Room for what programs write.
  func outputRoom(_ terminal: Reference<Terminal>) -> Int {
    guard heap[terminal].isPseudo else { return Terminal.outputByteCount }
    let limit = Terminal.outputByteCount - Terminal.echoByteCount
    return max(0, limit - heap[terminal].pendingOutputCount)
  }

  /// Whether output is processed here: where the host's own terminal does it, bytes stay.
  func processesOutput(_ terminal: Reference<Terminal>) -> Bool {
    heap[terminal].isPseudo || isTerminal(0)
  }

  /// Sends a byte to the other side as it is; `finishOutput` shows it there.
  func emit(_ byte: UInt8, _ terminal: Reference<Terminal>) {
    guard heap[terminal].isPseudo else { return emitToHost(byte) }
    guard heap[terminal].hasMaster,
      heap[terminal].pendingOutputCount < Terminal.outputByteCount
    else { return }
    let place = Int(heap[terminal].outputCount) & (Terminal.outputByteCount - 1)
    terminalBlock(terminal).store(byte, at: Terminal.outputOffset + place)
    heap[terminal].outputCount += 1
  }

  /// Tells the other side of what was sent.
  func finishOutput(_ terminal: Reference<Terminal>) {
    guard heap[terminal].isPseudo else { return showToHost() }
    guard heap[terminal].pendingOutputCount > 0 else { return }
    environment.wake(masterInputKey(terminal))
    readinessChanged(masterKey(terminal), .input.union(.normalInput))
    tellOwners(masterKey(terminal), .input)
  }

  func masterInputKey(_ terminal: Reference<Terminal>) -> SleepKey {
    .object(terminal.raw, channel: 9)
  }
}
