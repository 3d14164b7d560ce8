// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryUnits
import PageTableFormats

extension SimulatedMachine {
  public func prepare(_ stack: KernelStack, entry: TaskEntry) {
    hardware.tasks.withLock { tasks in
      let record =
        switch entry {
        case .kernel(let argument): TaskRecord(.kernel(argument))
        case .freshUser: TaskRecord(.user)
        case .user(let original):
          TaskRecord(.user, registers: Self.copied(tasks.records[original.top.value]))
        }
      precondition(tasks.running != stack, "a task prepares its own stack")
      tasks.records[stack.top.value]?.abandon()
      tasks.records[stack.top.value] = record
    }
  }

  /// - Precondition: no lock and no window is open: what is reached through them may change
  ///   while another task runs.
  public func switchContext(from current: KernelStack, to next: KernelStack) {
    checkMaySleep()
    guard current != next else { return }
    let hardware = hardware
    let (leaving, entering) = hardware.tasks.withLock { tasks in
      precondition(tasks.running == nil || tasks.running == current, "another task runs")
      if tasks.records[current.top.value] == nil {
        tasks.records[current.top.value] = TaskRecord(.boot)
      }
      let leaving = tasks.records[current.top.value]!
      if tasks.boot == nil { tasks.boot = leaving }
      guard let entering = tasks.records[next.top.value] else {
        fatalError("simulated machine: nothing was prepared on this stack")
      }
      tasks.running = next
      return (leaving, entering)
    }
    enter(entering, stack: next)
    leaving.waitForTurn()
  }

  public func register(_ name: UserRegister, of stack: KernelStack) -> UInt64 {
    hardware.tasks.withLock { $0.records[stack.top.value]?.registers[Int(name.rawValue)] ?? 0 }
  }

  public func setRegister(_ name: UserRegister, of stack: KernelStack, to value: UInt64) {
    hardware.tasks.withLock { tasks in
      let record = tasks.records[stack.top.value] ?? TaskRecord(.boot)
      record.registers[Int(name.rawValue)] = value
      tasks.records[stack.top.value] = record
    }
  }

  public func resetUserState(of stack: KernelStack) {
    hardware.tasks.withLock { tasks in
      guard let record = tasks.records[stack.top.value] else { return }
      record.registers = Array(repeating: 0, count: TaskRecord.registerCount)
    }
  }

  // What the test supplies

  /// What kernel tasks run; the argument is `TaskEntry.kernel`'s.
  ///
  /// When it returns, the thread that was there before the first switch goes on.
  public func setKernelTask(_ body: @escaping (UInt64) -> Void) {
    setBodies { $0.kernel = body }
  }

  /// What user tasks run: the program, whose accesses and calls trap into the kernel.
  public func setProgram(_ body: @escaping (SimulatedProgram<Format>) -> Void) {
    setBodies { $0.program = body }
  }

  /// The kernel's handler of traps from user mode.
  public func setTrapHandler(_ handler: @escaping (Trap, KernelStack) -> Void) {
    setBodies { $0.trapHandler = handler }
  }

  /// Traps as a CPU in user mode does. For tests without tasks, too.
  public func trap(_ trap: Trap, on stack: KernelStack) {
    guard let handler = bodies.trapHandler else {
      fatalError("simulated machine: a trap without a handler: \(trap)")
    }
    handler(trap, stack)
  }

  private var bodies: TaskBodies<Format> { hardware.tasks.withLock { $0.bodies } }

  private func setBodies(_ change: (inout TaskBodies<Format>) -> Void) {
    var bodies = bodies
    change(&bodies)
    let changed = bodies
    hardware.tasks.withLock { $0.bodies = changed }
  }

  private func checkMaySleep() {
    LockChecks.checkNoneHeld()
    hardware.state.withLock { state in
      state.spend(.switchContext)
      precondition(
        state.processors.allSatisfy { $0.openWindowCount == 0 }, "a task sleeps in a window")
      precondition(state.clockStops == 0, "a task sleeps while the clock stands still")
    }
  }

  private func enter(_ record: TaskRecord, stack: KernelStack) {
    if record.isStarted {
      record.turn.give()
      return
    }
    record.isStarted = true
    let machine = self
    HostThread(ThreadContext()) { machine.runTask(record, stack) }.detach()
  }

  private func runTask(_ record: TaskRecord, _ stack: KernelStack) {
    let bodies = bodies
    switch record.entry {
    case .boot: fatalError("simulated machine: the boot stack was started")
    case .kernel(let argument):
      guard let body = bodies.kernel else { fatalError("simulated machine: no kernel task") }
      body(argument)
    case .user:
      guard let body = bodies.program else { fatalError("simulated machine: no program") }
      body(SimulatedProgram(machine: self, stack: stack))
    }
    endTask(record, stack)
  }

  private func endTask(_ record: TaskRecord, _ stack: KernelStack) {
    checkMaySleep()
    let boot = hardware.tasks.withLock { tasks in
      if tasks.records[stack.top.value] === record { tasks.records[stack.top.value] = nil }
      return tasks.resumeBoot()
    }
    boot?.turn.give()
  }

  /// Lets the first thread go on in place of the task that runs, which is returned; nil if it
  /// is the first thread that runs.
  func leaveToFirstThread() -> TaskRecord? {
    let change: (leaving: TaskRecord, boot: TaskRecord)? = hardware.tasks.withLock { tasks in
      guard let running = tasks.running, let leaving = tasks.records[running.top.value],
        let boot = tasks.boot, boot !== leaving
      else { return nil }
      _ = tasks.resumeBoot()
      return (leaving, boot)
    }
    change?.boot.turn.give()
    return change?.leaving
  }

  private static func copied(_ original: TaskRecord?) -> [UInt64] {
    var registers =
      original?.registers ?? Array(repeating: 0, count: TaskRecord.registerCount)
    registers[Int(UserRegister.result.rawValue)] = 0
    return registers
  }
}
