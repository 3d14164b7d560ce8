// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryUnits

extension MachineConformance {
  /// Checks that two tasks keep their places, and that each stack has its own registers.
  ///
  /// The machine's entry for kernel tasks must call `runTask` with its argument.
  ///
  /// - Parameters:
  ///   - own: the stack that runs this.
  ///   - other: a stack that is free.
  public func checkTasks(own: KernelStack, other: KernelStack) throws(ConformanceFailure) {
    try checkRegisters(other)
    let counter = frame(1).address
    machine.directMap.store(UInt64(0), at: counter)
    machine.directMap.store(own.top.value, at: counter + ByteCount(8))
    machine.directMap.store(other.top.value, at: counter + ByteCount(16))
    machine.prepare(other, entry: .kernel(100))
    for round in 1...5 as ClosedRange<UInt64> {
      machine.switchContext(from: own, to: other)
      try require(
        machine.directMap.load(UInt64.self, at: counter) == 100 + round,
        "a task goes on where it left off")
    }
  }

  /// What the other task does: counts from its argument, one for each turn.
  public func runTask(_ argument: UInt64) -> Never {
    let counter = frame(1).address
    let first = machine.directMap.load(UInt64.self, at: counter + ByteCount(8))
    let own = machine.directMap.load(UInt64.self, at: counter + ByteCount(16))
    var count = argument
    while true {
      count += 1
      machine.directMap.store(count, at: counter)
      machine.switchContext(
        from: KernelStack(top: VirtualAddress(own)), to: KernelStack(top: VirtualAddress(first)))
    }
  }

  private func checkRegisters(_ stack: KernelStack) throws(ConformanceFailure) {
    machine.prepare(stack, entry: .freshUser)
    machine.setRegister(.instructionPointer, of: stack, to: 0x40_1000)
    machine.setRegister(.stackPointer, of: stack, to: 0x7FFF_0000)
    machine.setRegister(.argument0, of: stack, to: 11)
    machine.setRegister(.argument5, of: stack, to: 55)
    let isKept =
      machine.register(.instructionPointer, of: stack) == 0x40_1000
      && machine.register(.stackPointer, of: stack) == 0x7FFF_0000
      && machine.register(.argument0, of: stack) == 11
      && machine.register(.argument5, of: stack) == 55
    try require(isKept, "a stack keeps its program's registers")
    machine.resetUserState(of: stack)
    try require(
      machine.register(.argument0, of: stack) == 0 && machine.register(.argument5, of: stack) == 0,
      "a new program's registers are fresh")
  }
}
