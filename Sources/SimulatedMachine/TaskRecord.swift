// SPDX-License-Identifier: Apache-2.0

import Glibc
import Machine
import MemoryUnits
import PageTableFormats
import Synchronization

/// What a simulated machine keeps of a task: its host thread, which is its kernel stack, and the
/// registers of its program.
///
/// Exactly one task runs at a time; the others wait for their turn.
final class TaskRecord: @unchecked Sendable {
  enum Entry: Sendable {
    /// The thread that was there before any task.
    case boot
    case user
    case kernel(UInt64)
  }

  let entry: Entry
  let turn = Turn()
  // Changed only by the task that runs.
  var isStarted: Bool
  var isAbandoned = false
  var registers: [UInt64]

  init(_ entry: Entry, registers: [UInt64]? = nil) {
    self.entry = entry
    if case .boot = entry { isStarted = true } else { isStarted = false }
    self.registers = registers ?? Array(repeating: 0, count: Self.registerCount)
  }

  static var registerCount: Int { Int(UserRegister.general15.rawValue) + 1 }

  /// Waits until somebody switches to this task; ends its thread if nobody ever will.
  func waitForTurn() {
    turn.take()
    if isAbandoned { pthread_exit(nil) }
  }

  /// Runs nothing any more; the thread ends with the machine.
  func standStill() -> Never {
    while true { waitForTurn() }
  }

  /// Ends the thread of a task that waits for its turn.
  func abandon() {
    guard isStarted, !isAbandoned else { return }
    if case .boot = entry { return }
    isAbandoned = true
    turn.give()
  }
}

/// What the test supplies for tasks to run; one of them runs at a time.
struct TaskBodies<Format: PageTableFormat>: @unchecked Sendable {
  var kernel: ((UInt64) -> Void)?
  var program: ((SimulatedProgram<Format>) -> Void)?
  var trapHandler: ((Trap, KernelStack) -> Void)?
}

/// All tasks of a machine.
struct TaskTable<Format: PageTableFormat>: Sendable {
  var records: [UInt64: TaskRecord] = [:]
  var bodies = TaskBodies<Format>()
  /// The stack that `switchContext` was last asked to leave for; nil before the first.
  var running: KernelStack?
  /// The thread that was there first: it goes on when a task's body ends.
  var boot: TaskRecord?

  /// Makes the first thread the one that runs, and returns it.
  mutating func resumeBoot() -> TaskRecord? {
    running = records.first { $0.value === boot }.map { KernelStack(top: VirtualAddress($0.key)) }
    return boot
  }
}
