// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// Pseudo terminals: a terminal whose other side is a program with the master's file.
///
/// Linux: `drivers/tty/pty.c`, the Unix98 kind.
extension FileSystems {
  /// The most pseudo terminals. Linux: `kernel.pty.max`, smaller here.
  static var pseudoTerminalLimit: UInt32 { 64 }

  /// A new pseudo terminal's master. Linux: `ptmx_open()`.
  ///
  /// - Throws: ENOSPC where there are too many, ENOMEM.
  func openMaster(
    _ inode: Reference<Inode>, flags: OpenFlags
  ) throws(Errno) -> Reference<OpenFile> {
    var number: UInt32 = 0
    while findTerminal(number) != nil { number += 1 }
    guard number < Self.pseudoTerminalLimit else { throw .ENOSPC }
    let terminal = try makeTerminal(number: number)
    do {
      let file = try enter(OpenFile(inode, .special(.terminalMaster), flags: flags))
      heap[file].attachment = terminal.raw
      heap[terminal].hasMaster = true
      heap[terminal].nextTerminal = state.value.terminalList
      state.value.terminalList = Link(terminal)
      return file
    } catch {
      freeTerminal(terminal)
      throw error
    }
  }

  /// A pseudo terminal by its number in /dev/pts.
  func findTerminal(_ number: UInt32) -> Reference<Terminal>? {
    var next = state.value.terminalList.reference
    while let terminal = next, heap[terminal].number != number {
      next = heap[terminal].nextTerminal.reference
    }
    return next
  }

  /// The lowest number from another on, to list /dev/pts.
  func firstTerminal(from number: UInt32) -> UInt32? {
    var best: UInt32?
    var next = state.value.terminalList.reference
    while let terminal = next {
      if let candidate = heap[terminal].number, candidate >= number, candidate < best ?? .max,
        heap[terminal].hasMaster
      {
        best = candidate
      }
      next = heap[terminal].nextTerminal.reference
    }
    return best
  }

  /// Opens a terminal; without O_NOCTTY it becomes a session leader's that has none.
  ///
  /// - Throws: EIO where the master is gone or has not unlocked it, ENOMEM.
  ///
  /// Linux: `tty_open()`.
  func openTerminal(
    _ terminal: Reference<Terminal>, _ inode: Reference<Inode>, flags: OpenFlags
  ) throws(Errno) -> Reference<OpenFile> {
    if heap[terminal].isPseudo {
      guard heap[terminal].hasMaster, !heap[terminal].isLocked else { throw .EIO }
    }
    let kept = OpenFlags(rawValue: flags.rawValue & ~Self.passingFlags)
    let file = try enter(OpenFile(inode, .special(.terminal), flags: kept))
    heap[file].attachment = terminal.raw
    heap[terminal].openCount += 1
    heap[terminal].isFresh = false
    if heap[terminal].isPseudo { heap[terminal].isHungUp = false }
    let client = environment.terminalClient
    if !flags.contains(.noControllingTerminal), flags.mayRead, client.isLeader,
      client.terminal == nil, heap[terminal].session == 0
    {
      giveTerminal(terminal, to: client)
    }
    return file
  }

  /// The other end's file for TIOCGPTPEER. Throws: EIO, ENOMEM.
  public func openPeer(
    of file: Reference<OpenFile>, flags: OpenFlags
  ) throws(Errno) -> Reference<OpenFile> {
    guard case .special(.terminalMaster) = heap[file].behaviour else { throw .ENOTTY }
    let terminal = Reference<Terminal>(raw: heap[file].attachment)
    guard let number = heap[terminal].number else { throw .EIO }
    let inode = try pseudoTerminalInode(number)
    do {
      return try openTerminal(terminal, inode, flags: flags)
    } catch {
      release(inode)
      throw error
    }
  }

  /// Linux: `tty_release()` of the program's end.
  func closeTerminal(_ terminal: Reference<Terminal>) {
    heap[terminal].openCount -= 1
    guard heap[terminal].isPseudo, heap[terminal].openCount == 0 else { return }
    if heap[terminal].hasMaster {
      // Who reads the master sees the end.
      environment.wake(masterInputKey(terminal))
      environment.wake(roomKey(terminal))
      readinessChanged(masterKey(terminal), .hangUp.union(.input))
    } else {
      dropTerminal(terminal)
    }
  }

  /// The master goes: the session loses its terminal. Linux: `tty_vhangup()`.
  func closeMaster(_ terminal: Reference<Terminal>) {
    heap[terminal].hasMaster = false
    hangUp(terminal)
    if heap[terminal].openCount == 0 { dropTerminal(terminal) }
  }

  private func dropTerminal(_ terminal: Reference<Terminal>) {
    if state.value.terminalList.reference == terminal {
      state.value.terminalList = heap[terminal].nextTerminal
    } else {
      var next = state.value.terminalList.reference
      while let candidate = next {
        next = heap[candidate].nextTerminal.reference
        if next == terminal { heap[candidate].nextTerminal = heap[terminal].nextTerminal }
      }
    }
    freeTerminal(terminal)
  }

  // The master's file

  /// - Throws: EIO where all other ends are closed, EINTR, EAGAIN, EFAULT.
  func readMaster(
    _ file: Reference<OpenFile>, to target: TransferMemory, byteCount: Int
  ) throws(Errno) -> Int {
    let terminal = Reference<Terminal>(raw: heap[file].attachment)
    if byteCount == 0 { return 0 }
    while heap[terminal].pendingOutputCount == 0 {
      if heap[terminal].openCount == 0, !heap[terminal].isFresh { throw .EIO }
      if heap[file].flags.contains(.nonBlocking) { throw .EAGAIN }
      guard environment.sleepInterruptibly(on: masterInputKey(terminal)) else { throw .EINTR }
    }
    let place = Int(heap[terminal].takenCount) & (Terminal.outputByteCount - 1)
    let count = min(
      min(byteCount, heap[terminal].pendingOutputCount), Terminal.outputByteCount - place)
    let copied = copy(
      from: terminalBlock(terminal), at: Terminal.outputOffset + place, byteCount: count,
      to: target)
    guard copied > 0 else { throw .EFAULT }
    heap[terminal].takenCount += UInt64(copied)
    environment.wake(outputKey(terminal))
    readinessChanged(terminalKey(terminal), .output.union(.normalOutput))
    if heap[terminal].wantsRoomSignal, heap[terminal].pendingOutputCount <= 128 {
      heap[terminal].wantsRoomSignal = false
      tellOwners(terminalKey(terminal), .output)
    }
    return copied
  }

  /// What the program types. Throws: EIO, EINTR, EAGAIN, EFAULT, ENOMEM.
  func writeMaster(
    _ file: Reference<OpenFile>, from source: TransferMemory, byteCount: Int
  ) throws(Errno) -> Int {
    let terminal = Reference<Terminal>(raw: heap[file].attachment)
    if byteCount == 0 { return 0 }
    return try withPathBuffer { (block) throws(Errno) in
      var done = 0
      while done < byteCount {
        let count = min(byteCount - done, block.byteCount)
        let copied = copy(from: source.advanced(by: done), byteCount: count, to: block, at: 0)
        var typed = 0
        while typed < copied {
          guard takesInput(terminal) else {
            signalInput(terminal)
            if heap[file].flags.contains(.nonBlocking) {
              if done + typed == 0 { throw .EAGAIN }
              return done + typed
            }
            guard environment.sleepInterruptibly(on: roomKey(terminal)) else {
              if done + typed == 0 { throw .EINTR }
              return done + typed
            }
            continue
          }
          receive(block.load(UInt8.self, at: typed), terminal)
          typed += 1
        }
        signalInput(terminal)
        done += copied
        if copied < count { break }
      }
      guard done > 0 else { throw .EFAULT }
      return done
    }
  }

  func masterReadiness(_ terminal: Reference<Terminal>) -> Readiness {
    var ready = Readiness()
    if heap[terminal].pendingOutputCount > 0 { ready.formUnion(.input.union(.normalInput)) }
    if takesInput(terminal) { ready.formUnion(.output.union(.normalOutput)) }
    if heap[terminal].openCount == 0, !heap[terminal].isFresh { ready.formUnion(.hangUp) }
    return ready
  }
}
