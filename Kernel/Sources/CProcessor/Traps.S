// SPDX-License-Identifier: Apache-2.0
//
// Into the kernel and back. One CPU, so the kernel's stack is found at a fixed address and GS is
// the program's own. The kernel runs with interrupts disabled.
// Linux: arch/x86/entry/entry_64.S.

#include "include/layouts.h"

#define STACK0 task_segment + 4
#define VECTOR 120
#define ERROR 128
#define RIP 136
#define CS 144
#define RSP 160

.macro SAVE_GENERAL
  push %rdi
  push %rsi
  push %rdx
  push %rcx
  push %rax
  push %r8
  push %r9
  push %r10
  push %r11
  push %rbx
  push %rbp
  push %r12
  push %r13
  push %r14
  push %r15
.endm

.macro RESTORE_GENERAL
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbp
  pop %rbx
  pop %r11
  pop %r10
  pop %r9
  pop %r8
  pop %rax
  pop %rcx
  pop %rdx
  pop %rsi
  pop %rdi
.endm

  .text
  .globl system_call_entry, return_to_user, trap_stubs

// SYSCALL: RCX = where to go on, R11 = flags, interrupts off, still on the program's stack.
  .balign 16
system_call_entry:
  mov %rsp, user_stack_pointer
  mov STACK0, %rsp
  push $PROCESSOR_USER_DATA
  push user_stack_pointer
  push %r11
  push $PROCESSOR_USER_CODE
  push %rcx
  push %rax
  push $PROCESSOR_SYSTEM_CALL
  SAVE_GENERAL
  xor %ebp, %ebp
  call image_system_call

// The end of every trap and the start of every program: RSP is at the frame.
return_to_user:
  mov RIP(%rsp), %rcx
  shr $47, %rcx
  jnz 2f                          // not a program's address: neither way back may see it
  cmpq $PROCESSOR_SYSTEM_CALL, VECTOR(%rsp)
  jne 1f
  RESTORE_GENERAL
  mov 16(%rsp), %rcx
  mov 40(%rsp), %rsp
  sysretq
1:
  RESTORE_GENERAL
  add $16, %rsp
  iretq
2:
  mov $13, %edi                   // as the processor would: a general protection fault there
  xor %esi, %esi
  xor %edx, %edx
  call image_trap
  jmp return_to_user

// One entry per vector; those for which the processor pushes no error code push a zero.
  .balign PROCESSOR_STUB_BYTES
trap_stubs:
  .set number, 0
  .rept 256
  .balign PROCESSOR_STUB_BYTES
  .if number != 8 && number != 17 && number != 21 && (number < 10 || number > 14)
  push $0
  .endif
  push $number
  jmp trap_entry
  .set number, number + 1
  .endr

  .balign 16
trap_entry:
  SAVE_GENERAL
  cld
  mov VECTOR(%rsp), %rdi
  mov ERROR(%rsp), %rsi
  mov %cr2, %rdx
  xor %ebp, %ebp
  testb $3, CS(%rsp)
  jz 1f
  call image_trap
  jmp return_to_user
1:
  mov %rsp, %rdi                  // the kernel itself is wrong: report and stop
  mov %rdx, %rsi
  and $-16, %rsp
  call machine_report_fault
  ud2

  .bss
  .balign 8
user_stack_pointer:
  .space 8

  .section .note.GNU-stack, "", @progbits
