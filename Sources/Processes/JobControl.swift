// SPDX-License-Identifier: Apache-2.0

import FileSystems
import IntrusiveStructures
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// Groups, sessions and their terminals.
///
/// Linux: `kernel/exit.c`, `drivers/tty/tty_jobctrl.c`.
extension Kernel {
  /// Whether nobody of its session outside a group could resume it.
  ///
  /// - Parameter dying: counts as gone, and as nobody's parent.
  ///
  /// Linux: `will_become_orphaned_pgrp()`.
  func isOrphaned(_ group: UInt32, without dying: Reference<Process>? = nil) -> Bool {
    var next = state.value.processes.first
    while let process = next {
      next = heap[process].listHook.next.reference
      guard heap[process].group == group, process != dying, heap[process].state == .alive,
        let parent = heap[process].parent.reference, parent != state.value.initProcess,
        parent != dying
      else { continue }
      if heap[parent].group != group, heap[parent].session == heap[process].session {
        return false
      }
    }
    return true
  }

  /// Linux: `has_stopped_jobs()`.
  private func hasStopped(_ group: UInt32) -> Bool {
    var next = state.value.processes.first
    while let process = next {
      next = heap[process].listHook.next.reference
      if heap[process].group == group, heap[process].isStopped { return true }
    }
    return false
  }

  /// Tells groups with stopped members that a process was the last who could resume them.
  ///
  /// Linux: `kill_orphaned_pgrp()`.
  func tellOrphanedGroups(leftBy process: Reference<Process>) {
    if let parent = heap[process].parent.reference {
      tellOrphaned(heap[process].group, heap[process].session, parent, without: process)
    }
    var next = heap[process].children.first
    while let child = next {
      next = heap[child].siblingHook.next.reference
      tellOrphaned(heap[child].group, heap[child].session, process, without: process)
    }
  }

  private func tellOrphaned(
    _ group: UInt32, _ session: UInt32, _ parent: Reference<Process>,
    without dying: Reference<Process>
  ) {
    guard heap[parent].group != group, heap[parent].session == session,
      isOrphaned(group, without: dying), hasStopped(group)
    else { return }
    send(.SIGHUP, toGroup: group)
    send(.SIGCONT, toGroup: group)
  }

  // What terminals ask

  public var terminalClient: TerminalClient {
    let process = process
    return TerminalClient(
      group: heap[process].group, session: heap[process].session,
      isLeader: heap[process].session == heap[process].identifier,
      isPrivileged: identity.user.effective == 0, isOrphaned: isOrphaned(heap[process].group),
      terminal: heap[process].terminal.reference)
  }

  public func send(_ signal: Signal, toGroup group: UInt32) {
    var next = state.value.processes.first
    while let process = next {
      next = heap[process].listHook.next.reference
      if heap[process].group == group { sendFromKernel(signal, to: process) }
    }
  }

  public func send(_ signal: Signal, toLeaderOf session: UInt32) {
    guard let leader = findProcess(session) else { return }
    sendFromKernel(signal, to: leader)
  }

  public func isIgnored(_ signal: Signal) -> Bool {
    guard let signals = heap[process].signals.reference else { return true }
    return heap[current].blocked.contains(signal)
      || heap[signals].action(of: signal).handler == SignalAction.ignoringHandler
  }

  public func setTerminal(_ terminal: Reference<Terminal>?) {
    heap[process].terminal = Link(terminal)
  }

  public func clearTerminal(ofSession session: UInt32) {
    var next = state.value.processes.first
    while let process = next {
      next = heap[process].listHook.next.reference
      if heap[process].session == session { heap[process].terminal = Link(nil) }
    }
  }

  public func session(ofGroup group: UInt32) -> UInt32? {
    var next = state.value.processes.first
    while let process = next {
      if heap[process].group == group { return heap[process].session }
      next = heap[process].listHook.next.reference
    }
    return nil
  }

  public func hasSignal(of set: SignalSet) -> Bool {
    pendingSet(of: current).bits & set.bits != 0
  }

  /// Linux: `vhangup`.
  func hangUpTerminal() throws(Errno) -> UInt64 {
    guard identity.user.effective == 0 else { throw .EPERM }
    fileSystems.hangUpTerminal()
    return 0
  }
}
