// SPDX-License-Identifier: Apache-2.0

import CProcessor
import Machine
import MemoryUnits

/// What is kept of a task at the upper end of its kernel stack (`layouts.h`).
///
/// A reference: copies are the same task.
struct SavedTask: Equatable {
  /// Where the task's `processor_task` is; its traps push below.
  let address: UInt64

  init(on stack: KernelStack) { address = stack.top.value &- UInt64(PROCESSOR_TASK_BYTES) }

  private init(address: UInt64) { self.address = address }

  /// The task that runs. Linux: `current`.
  static var current: SavedTask { SavedTask(address: shared_load64(place_task_segment() &+ 4)) }

  /// Floating-point registers and bases, as they were when the task last stopped running.
  var task: processor_task {
    // SAFETY: a kernel stack is mapped for as long as somebody has its name.
    unsafeAddress { unsafe UnsafePointer(bitPattern: UInt(address))! }
    nonmutating unsafeMutableAddress { unsafe UnsafeMutablePointer(bitPattern: UInt(address))! }
  }

  /// The user program's registers.
  var frame: processor_frame {
    // SAFETY: as above.
    unsafeAddress { unsafe UnsafePointer(bitPattern: UInt(frameAddress))! }
    nonmutating unsafeMutableAddress {
      unsafe UnsafeMutablePointer(bitPattern: UInt(frameAddress))!
    }
  }

  var frameAddress: UInt64 { address &- UInt64(PROCESSOR_FRAME_BYTES) }

  /// Where FXSAVE writes.
  var floatingAddress: UInt64 { address &+ 32 }

  subscript(name: UserRegister) -> UInt64 {
    get { shared_load64(frameAddress &+ Self.offset(of: name)) }
    nonmutating set { shared_store64(frameAddress &+ Self.offset(of: name), newValue) }
  }

  /// Where a register is, from the start of the frame on.
  private static func offset(of name: UserRegister) -> UInt64 {
    switch name {
    case .general15: 0
    case .general14: 8
    case .general13: 16
    case .general12: 24
    case .general5: 32
    case .general3: 40
    case .general11: 48
    case .argument3, .general10: 56
    case .argument5, .general9: 64
    case .argument4, .general8: 72
    case .result, .general0: 80
    case .general1: 88
    case .argument2, .general2: 96
    case .argument1, .general6: 104
    case .argument0, .general7: 112
    case .systemCall: 128
    case .instructionPointer: 136
    case .flags: 152
    case .stackPointer, .general4: 160
    case .threadPointer: 184
    case .secondThreadPointer: 192
    }
  }

  /// Gives the program the registers that a processor starts with, floating-point ones too.
  func clear() {
    let savedStackPointer = task.saved_stack_pointer
    task = processor_task()
    task.saved_stack_pointer = savedStackPointer
    shared_store16(floatingAddress, 0x37F)  // as after FNINIT
    shared_store32(floatingAddress &+ 24, 0x1F80)  // MXCSR after a reset
    frame = processor_frame()
    frame.cs = UInt64(PROCESSOR_USER_CODE)
    frame.ss = UInt64(PROCESSOR_USER_DATA)
    frame.flags = FlagBits.reserved | FlagBits.interrupt
    needFullReturn()
  }

  /// From now on the registers are restored whole, not as after a system call.
  func needFullReturn() { frame.vector = UInt64(PROCESSOR_FULL_RETURN) }

  /// Puts on the stack what `processor_switch` pops: the task goes on at an entry.
  func start(at entry: UInt64, argument: UInt64) {
    for index in 1...7 { shared_store64(frameAddress &- UInt64(index * 8), 0) }
    shared_store64(frameAddress &- 8, entry)
    shared_store64(frameAddress &- 24, argument)
    task.saved_stack_pointer = frameAddress &- 56
  }
}
