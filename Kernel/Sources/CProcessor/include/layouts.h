// SPDX-License-Identifier: Apache-2.0
//
// The layouts that Traps.S, Switch.S and Swift agree on.
//
//     top of a kernel stack ─▶ ┌──────────────────────────┐
//                              │ processor_task  (544)    │
//     where traps push    ─▶   ├──────────────────────────┤
//                              │ processor_frame (176)    │
//                              ├──────────────────────────┤
//                              │ the kernel's calls       │

#ifndef CPROCESSOR_LAYOUTS_H
#define CPROCESSOR_LAYOUTS_H

#define PROCESSOR_TASK_BYTES 544
#define PROCESSOR_FRAME_BYTES 176

// The first task's stack is larger than others: building the kernel needs 27 KiB of it.
#define PROCESSOR_BOOT_STACK_BYTES 0xc000

#define PROCESSOR_KERNEL_CODE 0x10
#define PROCESSOR_KERNEL_DATA 0x18
#define PROCESSOR_USER_CODE32 0x23
#define PROCESSOR_USER_DATA 0x2b
#define PROCESSOR_USER_CODE 0x33
#define PROCESSOR_TASK_SELECTOR 0x40

// In a frame's `vector`: a system call whose registers nobody has changed, so that SYSRET may end
// it; and one that needs IRET.
#define PROCESSOR_SYSTEM_CALL 0x100
#define PROCESSOR_FULL_RETURN 0x101

#define PROCESSOR_TIMER_VECTOR 0x40
#define PROCESSOR_STUB_BYTES 16

#ifndef __ASSEMBLER__
#include <stdint.h>

// A program's registers while the kernel runs for it.
struct processor_frame {
  uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
  // Number of the trap, or one of the two above.
  uint64_t vector;
  // The trap's error code; the number of the call after SYSCALL.
  uint64_t error;
  uint64_t rip, cs, flags, rsp, ss;
};

_Static_assert(sizeof(struct processor_frame) == PROCESSOR_FRAME_BYTES, "Traps.S counts on it");

// What else is kept of a task.
struct processor_task {
  uint64_t saved_stack_pointer, thread_pointer, second_thread_pointer, unused;
  // FXSAVE's image: 512 bytes.
  uint64_t floating[64];
};

_Static_assert(sizeof(struct processor_task) == PROCESSOR_TASK_BYTES, "Switch.S counts on it");

// The task state segment. Linux: struct x86_hw_tss.
struct __attribute__((packed)) processor_task_segment {
  uint32_t unused0;
  uint64_t stack0, stack1, stack2;
  uint64_t unused1;
  uint64_t interrupt_stack1, interrupt_stack2, interrupt_stack3, interrupt_stack4;
  uint64_t interrupt_stack5, interrupt_stack6, interrupt_stack7;
  uint64_t unused2;
  uint16_t unused3, port_map;
};

_Static_assert(sizeof(struct processor_task_segment) == 104, "Intel SDM volume 3, 8.7");

#endif
#endif
