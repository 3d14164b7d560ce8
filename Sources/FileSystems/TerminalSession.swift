// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// What the running process is to a terminal.
public struct TerminalClient: BitwiseCopyable {
  public var group: UInt32
  public var session: UInt32
  /// It leads its session.
  public var isLeader: Bool
  /// It may take a terminal from another session.
  public var isPrivileged: Bool
  /// Nobody outside its group could resume it. Linux: `is_current_pgrp_orphaned()`.
  public var isOrphaned: Bool
  /// The terminal that controls its session, as far as it knows.
  public var terminal: Reference<Terminal>?

  public init(
    group: UInt32, session: UInt32, isLeader: Bool, isPrivileged: Bool, isOrphaned: Bool,
    terminal: Reference<Terminal>?
  ) {
    self.group = group
    self.session = session
    self.isLeader = isLeader
    self.isPrivileged = isPrivileged
    self.isOrphaned = isOrphaned
    self.terminal = terminal
  }
}

/// A terminal and the session that it controls.
///
/// Linux: `drivers/tty/tty_jobctrl.c`.
extension FileSystems {
  /// Makes a terminal a session's. Linux: `__proc_set_tty()`.
  func giveTerminal(_ terminal: Reference<Terminal>, to client: TerminalClient) {
    heap[terminal].session = client.session
    heap[terminal].foregroundGroup = client.group
    environment.setTerminal(terminal)
  }

  /// The device that a terminal is, as `stat` encodes it. Linux: `tty_devnum()`.
  public func deviceNumber(of terminal: Reference<Terminal>) -> UInt32 {
    let number =
      heap[terminal].number.map { DeviceNumber(major: 136, minor: $0) }
      ?? DeviceNode.console.device
    return UInt32(truncatingIfNeeded: number.encoded)
  }

  /// The group that reads from it; 0 for none. Linux: `tty_get_pgrp()`.
  public func foregroundGroup(of terminal: Reference<Terminal>) -> UInt32 {
    heap[terminal].foregroundGroup
  }

  /// Linux: `TIOCSCTTY`.
  ///
  /// - Throws: EPERM where the caller leads no session without a terminal, or the terminal
  ///   belongs to another session and is not stolen.
  func takeTerminal(_ terminal: Reference<Terminal>, steals: Bool) throws(Errno) {
    let client = environment.terminalClient
    if client.isLeader, heap[terminal].session == client.session { return }
    guard client.isLeader, client.terminal == nil else { throw .EPERM }
    if heap[terminal].session != 0 {
      guard steals, client.isPrivileged else { throw .EPERM }
      environment.clearTerminal(ofSession: heap[terminal].session)
    }
    giveTerminal(terminal, to: client)
  }

  /// A leader gives its session's terminal up, or it ends; others only forget it.
  ///
  /// Linux: `disassociate_ctty()`.
  public func dropControllingTerminal() {
    let client = environment.terminalClient
    guard let terminal = client.terminal else { return }
    guard client.isLeader else { return environment.setTerminal(nil) }
    let group = heap[terminal].foregroundGroup
    if group != 0 {
      environment.send(.SIGHUP, toGroup: group)
      environment.send(.SIGCONT, toGroup: group)
    }
    heap[terminal].session = 0
    heap[terminal].foregroundGroup = 0
    environment.clearTerminal(ofSession: client.session)
  }

  /// The other side goes: readers find the end, the session is told. Linux: `__tty_hangup()`.
  func hangUp(_ terminal: Reference<Terminal>) {
    let session = heap[terminal].session
    let group = heap[terminal].foregroundGroup
    if heap[terminal].openCount > 0 { heap[terminal].isHungUp = true }
    heap[terminal].session = 0
    heap[terminal].foregroundGroup = 0
    if session != 0 {
      environment.send(.SIGHUP, toLeaderOf: session)
      environment.send(.SIGCONT, toLeaderOf: session)
      if group != 0 {
        environment.send(.SIGHUP, toGroup: group)
        environment.send(.SIGCONT, toGroup: group)
      }
      environment.clearTerminal(ofSession: session)
    }
    environment.wake(inputKey(terminal))
    environment.wake(outputKey(terminal))
    readinessChanged(terminalKey(terminal), .hangUp.union(.input).union(.output))
  }

  /// Linux: `vhangup`.
  public func hangUpTerminal() {
    guard let terminal = environment.terminalClient.terminal else { return }
    hangUp(terminal)
  }

  /// Another size of the window: its foreground group is told. Linux: `tty_do_resize()`.
  func resize(_ terminal: Reference<Terminal>, to window: WindowSize) {
    guard heap[terminal].window != window else { return }
    heap[terminal].window = window
    let group = heap[terminal].foregroundGroup
    if group != 0 { environment.send(.SIGWINCH, toGroup: group) }
  }
}
