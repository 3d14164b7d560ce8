// SPDX-License-Identifier: Apache-2.0
//
// Calls (RAX): 0 end with RDI, 1 answer RDI + 1, 2 report RDI, 3 let the other program run,
// 4 set the thread pointer, 5 go on at RDI, 6 slices of RDI ns from now on, 7 become two (the
// other program ends), 8 go on at RDI with the stack RSI and all other registers fresh.
// A trap is reported; then the program goes on at R15.

#define FAR 0x10000000

.macro CALL number
  mov $\number, %eax
  syscall
.endm

.macro REPORT value
  mov \value, %rdi
  CALL 2
.endm

.macro EXPECT place, value
  movabs $\value, %rax
  cmp \place, %rax
  jne failed
.endm

.macro STAMP place
  rdtsc
  shl $32, %rdx
  or %rdx, %rax
  mov %rax, \place
.endm

.macro CONTINUE_AT label
  lea \label(%rip), %r15
.endm

  .section .rodata.programs, "a", @progbits
  .globl test_programs_start, test_programs_end, test_program_second
  .balign 16
test_programs_start:
  // Fresh registers.
  mov %rax, %r8
  or %rbx, %r8
  or %rcx, %r8
  or %rdx, %r8
  or %rsi, %r8
  or %rdi, %r8
  or %r15, %r8
  jnz failed
  // Registers survive a call, but for its result, RCX and R11.
  movabs $0x1111111111111111, %rbx
  movabs $0x2222222222222222, %rbp
  movabs $0x3333333333333333, %r12
  movabs $0x4444444444444444, %r13
  movabs $0x5555555555555555, %r14
  movabs $0x6666666666666666, %r15
  movabs $0x7777777777777777, %rsi
  movabs $0x8888888888888888, %rdx
  movabs $0x9999999999999999, %r10
  movabs $0xaaaaaaaaaaaaaaaa, %r8
  movabs $0xbbbbbbbbbbbbbbbb, %r9
  mov $41, %edi
  stc
  CALL 1
  jnc failed
  cmp $42, %rax
  jne failed
  EXPECT %rbx, 0x1111111111111111
  EXPECT %rbp, 0x2222222222222222
  EXPECT %r12, 0x3333333333333333
  EXPECT %r13, 0x4444444444444444
  EXPECT %r14, 0x5555555555555555
  EXPECT %r15, 0x6666666666666666
  EXPECT %rsi, 0x7777777777777777
  EXPECT %rdx, 0x8888888888888888
  EXPECT %r10, 0x9999999999999999
  EXPECT %r8, 0xaaaaaaaaaaaaaaaa
  EXPECT %r9, 0xbbbbbbbbbbbbbbbb
  cmp $41, %rdi
  jne failed
  // What 1,000 time stamps, calls and 16 faults cost.
  STAMP %r12
  mov $1000, %ebx
1:
  rdtsc
  dec %ebx
  jnz 1b
  STAMP %r13
  sub %r12, %r13
  REPORT %r13
  STAMP %r12
  mov $1000, %ebx
1:
  CALL 1
  dec %ebx
  jnz 1b
  STAMP %r13
  sub %r12, %r13
  REPORT %r13
  STAMP %r12
  mov $FAR, %rbx
1:
  movb $1, (%rbx)
  add $4096, %rbx
  cmp $FAR + 0x10000, %rbx
  jb 1b
  STAMP %r13
  sub %r12, %r13
  REPORT %r13
  // Every kind of trap.
  CONTINUE_AT 1f
  ud2
1:
  CONTINUE_AT 1f
  xor %eax, %eax
  xor %edx, %edx
  div %eax
1:
  CONTINUE_AT 1f
  int3
1:
  CONTINUE_AT 1f
  movabs $0xffff888000000000, %rax
  mov (%rax), %rax
1:
  CONTINUE_AT 1f
  movb $1, test_programs_start(%rip)
1:
  CONTINUE_AT 1f
  movabs $0x8000000000000000, %rax
  jmp *%rax
1:
  CONTINUE_AT 1f
  lea -64(%rsp), %rax
  jmp *%rax
1:
  CONTINUE_AT 1f
  cli
1:
  CONTINUE_AT 1f
  in $0x80, %al
1:
  CONTINUE_AT 1f
  int $0x80
1:
  CONTINUE_AT 1f
  mov %cr3, %rax
1:
  CONTINUE_AT 1f
  movabs $0x800000000000, %rdi
  CALL 5
1:
  CONTINUE_AT 1f
  movabs $0xffffffff80100000, %rdi
  CALL 5
1:
  // A stack pointer that is no address.
  CONTINUE_AT 1f
  mov %rsp, %r14
  movabs $0x8000000000000000, %rsp
  CALL 1
  push %rax
1:
  mov %r14, %rsp
  // A single step.
  CONTINUE_AT 1f
  pushf
  orl $0x100, (%rsp)
  popf
  nop
  nop
1:
  // Vector registers and thread pointer are each program's own.
  movabs $0x0123456789abcdef, %rax
  movq %rax, %xmm5
  mov $FAR, %rdi
  mov %rdi, (%rdi)
  CALL 4
  CALL 3
  movq %xmm5, %rax
  movabs $0x0123456789abcdef, %rcx
  cmp %rax, %rcx
  jne failed
  mov %fs:0, %rax
  cmp $FAR, %rax
  jne failed
  // Slices: the other program counts too.
  mov $50000, %edi
  CALL 6
  xor %ebx, %ebx
1:
  inc %rbx
  cmp $1000000, %rbx
  jb 1b
  xor %edi, %edi
  CALL 6
  // A copy of this program has its registers, then its own.
  mov $0x5a5a5a5a, %ebx
  CALL 7
  cmp $0x5a5a5a5a, %ebx
  jne failed
  movq %xmm5, %rcx
  movabs $0x0123456789abcdef, %rdx
  cmp %rcx, %rdx
  jne failed
  mov %fs:0, %rcx
  cmp $FAR, %rcx
  jne failed
  test %rax, %rax
  jz copy
  CALL 3
  movq %xmm5, %rcx
  movabs $0x0123456789abcdef, %rdx
  cmp %rcx, %rdx
  jne failed
  cmp $0x5a5a5a5a, %ebx
  jne failed
  // Fresh registers, as a new program has them.
  movl $0x1fa0, -8(%rsp)
  ldmxcsr -8(%rsp)
  lea fresh(%rip), %rdi
  mov %rsp, %rsi
  CALL 8
fresh:
  stmxcsr -8(%rsp)
  cmpl $0x1f80, -8(%rsp)
  jne failed
  movq %xmm5, %rax
  or %rbx, %rax
  or %rcx, %rax
  or %r11, %rax
  or %r15, %rax
  jnz failed
  xor %edi, %edi
  CALL 0
copy:
  xorpd %xmm5, %xmm5
  xor %ebx, %ebx
  CALL 3
  jmp failed
failed:
  pop %rdi
  lea failed(%rip), %rdi
  mov $1, %edi
  CALL 0

test_program_second:
  movabs $0xfedcba9876543210, %rax
  movq %rax, %xmm5
  mov $FAR + 0x20000, %rdi
  mov %rdi, (%rdi)
  CALL 4
  CALL 3
  xor %ebx, %ebx
1:
  add $2, %rbx
  movq %xmm5, %rax
  movabs $0xfedcba9876543210, %rcx
  cmp %rax, %rcx
  jne failed
  mov %fs:0, %rax
  cmp $FAR + 0x20000, %rax
  jne failed
  jmp 1b
test_programs_end:

  .section .note.GNU-stack, "", @progbits
