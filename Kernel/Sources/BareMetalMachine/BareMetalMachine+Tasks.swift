// SPDX-License-Identifier: Apache-2.0

import CProcessor
import Machine
import MemoryUnits

/// Tasks and their registers.
extension BareMetalMachine {
  public func prepare(_ stack: KernelStack, entry: TaskEntry) {
    let task = SavedTask(on: stack)
    switch entry {
    case .user(let source):
      let original = SavedTask(on: source)
      if original == .current { processor_save_floating(original.floatingAddress) }
      task.task = original.task
      task.frame = original.frame
      task[.result] = 0
      task.start(at: place_return_to_user(), argument: 0)
    case .freshUser:
      task.clear()
      task.start(at: place_return_to_user(), argument: 0)
    case .kernel(let argument):
      task.clear()
      task.start(at: place_kernel_task_start(), argument: argument)
    }
  }

  public func switchContext(from current: KernelStack, to next: KernelStack) {
    processor_switch(SavedTask(on: current).address, SavedTask(on: next).address)
  }

  public func register(_ name: UserRegister, of stack: KernelStack) -> UInt64 {
    SavedTask(on: stack)[name]
  }

  public func setRegister(_ name: UserRegister, of stack: KernelStack, to value: UInt64) {
    let task = SavedTask(on: stack)
    switch name {
    case .flags:
      task.needFullReturn()
      task[name] = value & FlagBits.user | FlagBits.reserved | FlagBits.interrupt
    case .instructionPointer, .general1, .general11:
      task.needFullReturn()
      task[name] = value
    case .threadPointer:
      setBase(ModelRegisters.threadPointer, name, of: task, to: value)
    case .secondThreadPointer:
      setBase(ModelRegisters.secondThreadPointer, name, of: task, to: value)
    default:
      task[name] = value
    }
  }

  public func resetUserState(of stack: KernelStack) {
    let task = SavedTask(on: stack)
    task.clear()
    guard task == .current else { return }
    processor_restore_floating(task.floatingAddress)
    processor_write_model_register(ModelRegisters.threadPointer, 0)
    processor_write_model_register(ModelRegisters.secondThreadPointer, 0)
  }

  public func transferFloatingPoint(
    _ direction: FloatingPointTransfer, of stack: KernelStack, _ block: MemoryBlock
  ) {
    let task = SavedTask(on: stack)
    let count = BareMetalMachine.floatingPointByteCount
    // SAFETY: the area of the task's stack that is for this, mapped as long as the stack is.
    let saved = unsafe MemoryBlock(
      unsafeBase: UnsafeMutableRawPointer(bitPattern: UInt(task.floatingAddress))!,
      byteCount: count)
    switch direction {
    case .save:
      if task == .current { processor_save_floating(task.floatingAddress) }
      block.copy(from: saved, at: 0, to: 0, byteCount: count)
    case .restore:
      saved.copy(from: block, at: 0, to: 0, byteCount: count)
      // FXRSTOR refuses reserved bits of MXCSR.
      saved.store(saved.load(UInt32.self, at: 24) & 0xFFFF, at: 24)
      if task == .current { processor_restore_floating(task.floatingAddress) }
    }
  }

  /// WRMSR refuses an address whose upper bits differ from bit 47, so they are made alike.
  private func setBase(
    _ register: UInt32, _ name: UserRegister, of task: SavedTask, to value: UInt64
  ) {
    let address = UInt64(bitPattern: Int64(bitPattern: value << 16) >> 16)
    task[name] = address
    if task == .current { processor_write_model_register(register, address) }
  }
}
