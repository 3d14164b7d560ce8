// SPDX-License-Identifier: Apache-2.0
//
// From one kernel stack to another. Linux: __switch_to_asm().

#include "include/layouts.h"

#define FS_BASE 0xc0000100
#define GS_BASE 0xc0000101

  .text
  .globl processor_switch, kernel_task_start

// RDI and RSI: the `processor_task` of the running task and of the next.
  .balign 16
processor_switch:
  push %rbp
  push %rbx
  push %r12
  push %r13
  push %r14
  push %r15
  fxsave64 32(%rdi)
  mov %rsp, (%rdi)
  mov (%rsi), %rsp
  mov %rsi, task_segment + 4
  fxrstor64 32(%rsi)
  mov 8(%rsi), %rax
  cmp 8(%rdi), %rax
  je 1f
  mov $FS_BASE, %ecx
  mov %rax, %rdx
  shr $32, %rdx
  wrmsr
1:
  mov 16(%rsi), %rax
  cmp 16(%rdi), %rax
  je 2f
  mov $GS_BASE, %ecx
  mov %rax, %rdx
  shr $32, %rdx
  wrmsr
2:
  pop %r15
  pop %r14
  pop %r13
  pop %r12
  pop %rbx
  pop %rbp
  ret

// A kernel task begins: its argument was put where RBX is popped from.
  .balign 16
kernel_task_start:
  mov %rbx, %rdi
  xor %ebp, %ebp
  call image_kernel_task
  ud2

  .section .note.GNU-stack, "", @progbits
