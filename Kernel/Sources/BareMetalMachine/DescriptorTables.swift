// SPDX-License-Identifier: Apache-2.0

import CProcessor
import MemoryUnits

/// Bits of CR4. Source: Intel SDM volume 3A, 2.5.
enum ControlBits {
  static var timeStampDisable: UInt64 { 1 << 2 }
  static var globalPages: UInt64 { 1 << 7 }
  static var supervisorExecutionPrevention: UInt64 { 1 << 20 }
  static var supervisorAccessPrevention: UInt64 { 1 << 21 }
}

/// Bits of the flags register.
enum FlagBits {
  /// Carry, parity, adjust, zero, sign, trap, direction, overflow, alignment check, identification:
  /// what a program may choose.
  static var user: UInt64 { 0x24_0DD5 }
  static var reserved: UInt64 { 0x2 }
  static var interrupt: UInt64 { 1 << 9 }
  /// What SYSCALL clears: trap, interrupt, direction, I/O privilege, nested task, alignment check.
  static var clearedAtSystemCall: UInt64 { 0x4_7700 }
}

/// The tables and registers that say where traps go.
///
/// Linux: `arch/x86/kernel/idt.c`, `cpu/common.c`.
enum DescriptorTables {
  /// Makes traps come to `Traps.S`, the way into ring 3 and the rights of ring 0.
  static func load() {
    loadSegments()
    loadInterrupts()
    setSystemCall()
    setRights()
  }

  private static func loadSegments() {
    // SAFETY: the task segment is a symbol for this alone; its layout is the processor's.
    let segment = unsafe UnsafeMutablePointer<processor_task_segment>(
      bitPattern: UInt(place_task_segment()))!
    unsafe segment.pointee.stack0 = place_stack_end() - UInt64(PROCESSOR_TASK_BYTES)
    unsafe segment.pointee.interrupt_stack1 = place_emergency_stack_end()
    unsafe segment.pointee.port_map = 104
    let base = place_task_segment()
    let low = 103 | (base & 0xFF_FFFF) << 16 | 0x89 << 40 | (base >> 24 & 0xFF) << 56
    let descriptor = place_segment_table() + UInt64(PROCESSOR_TASK_SELECTOR)
    shared_store64(descriptor, low)
    shared_store64(descriptor + 8, base >> 32)
    processor_load_segments(place_segment_table(), 0x4F)
    processor_load_task(UInt16(PROCESSOR_TASK_SELECTOR))
  }

  /// One interrupt gate per vector; `int3` is open to programs, and what may strike while the
  /// stack is unusable (NMI, double fault, machine check) has a stack of its own.
  private static func loadInterrupts() {
    for vector in 0..<UInt64(256) {
      let entry = place_trap_stubs() + vector * UInt64(PROCESSOR_STUB_BYTES)
      let stack: UInt64 = vector == 2 || vector == 8 || vector == 18 ? 1 : 0
      let kind: UInt64 = vector == 3 ? 0xEE : 0x8E
      let low =
        entry & 0xFFFF | UInt64(PROCESSOR_KERNEL_CODE) << 16 | stack << 32 | kind << 40
        | (entry >> 16 & 0xFFFF) << 48
      shared_store64(place_interrupt_table() + vector * 16, low)
      shared_store64(place_interrupt_table() + vector * 16 + 8, entry >> 32)
    }
    processor_load_interrupts(place_interrupt_table(), 0xFFF)
  }

  private static func setSystemCall() {
    let segments = UInt64(PROCESSOR_KERNEL_CODE) << 32 | UInt64(PROCESSOR_USER_CODE32) << 48
    processor_write_model_register(ModelRegisters.systemCallSegments, segments)
    processor_write_model_register(ModelRegisters.systemCallEntry, place_system_call_entry())
    processor_write_model_register(ModelRegisters.systemCallFlags, FlagBits.clearedAtSystemCall)
  }

  /// Time stamps trap in user mode; ring 0 neither executes nor touches user pages.
  private static func setRights() {
    processor_write_model_register(ModelRegisters.caching, 0x0004_0106_0004_0106)
    var control = processor_read_control4() | ControlBits.timeStampDisable
    if processor_identify(0, 0).a >= 7 {
      let features = processor_identify(7, 0).b
      if features >> 7 & 1 == 1 { control |= ControlBits.supervisorExecutionPrevention }
      if features >> 20 & 1 == 1 { control |= ControlBits.supervisorAccessPrevention }
    }
    processor_write_control4(control)
  }
}

/// Numbers of model-specific registers. Linux: `MSR_*`.
enum ModelRegisters {
  static var systemCallSegments: UInt32 { 0xC000_0081 }
  static var systemCallEntry: UInt32 { 0xC000_0082 }
  static var systemCallFlags: UInt32 { 0xC000_0084 }
  /// What the caching bits of an entry mean: 0 write-back, 1 write-combining, 2 write-through,
  /// 3 none. Linux: `MSR_IA32_CR_PAT`.
  static var caching: UInt32 { 0x277 }
  static var threadPointer: UInt32 { 0xC000_0100 }
  static var secondThreadPointer: UInt32 { 0xC000_0101 }
}
