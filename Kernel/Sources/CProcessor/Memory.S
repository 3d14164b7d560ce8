// SPDX-License-Identifier: Apache-2.0
//
// What compilers call for bytes. String instructions are the cheapest way here, counted in
// instructions and in time; the kernel has no vector registers.

  .section .text.memory, "ax", @progbits
  .globl memset, memcpy, memmove, memcmp

  .balign 16
memset:
  mov %rdi, %r8
  movzbl %sil, %eax
  movabs $0x0101010101010101, %rcx
  imul %rcx, %rax
  mov %rdx, %rcx
  shr $3, %rcx
  rep stosq
  mov %edx, %ecx
  and $7, %ecx
  rep stosb
  mov %r8, %rax
  ret

  .balign 16
memcpy:
  mov %rdi, %rax
  mov %rdx, %rcx
  shr $3, %rcx
  rep movsq
  mov %edx, %ecx
  and $7, %ecx
  rep movsb
  ret

  .balign 16
memmove:
  mov %rdi, %rcx
  sub %rsi, %rcx
  cmp %rdx, %rcx
  jae memcpy                      // the target is below, or beyond the end
  mov %rdi, %rax
  lea -1(%rsi,%rdx), %rsi
  lea -1(%rdi,%rdx), %rdi
  mov %edx, %ecx
  and $7, %ecx
  std
  rep movsb
  sub $7, %rsi
  sub $7, %rdi
  mov %rdx, %rcx
  shr $3, %rcx
  rep movsq
  cld
  ret

  .balign 16
memcmp:
  xor %eax, %eax
  mov %rdx, %rcx
  cmp %rcx, %rcx                  // equal, should there be no byte
  repe cmpsb
  je 1f
  movzbl -1(%rdi), %eax
  movzbl -1(%rsi), %ecx
  sub %ecx, %eax
1:
  ret

  .section .note.GNU-stack, "", @progbits
