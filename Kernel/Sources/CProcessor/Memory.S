// SPDX-License-Identifier: Apache-2.0
//
// What compilers call for bytes. String instructions are the cheapest way here, counted in
// instructions and in time, but for zeros over whole pages: those are stored by 16 bytes. The
// vector register is the program's, so it is kept; nothing else of the kernel has any.

  .section .text.memory, "ax", @progbits
  .globl memset, memcpy, memmove, memcmp

  .balign 16
memset:
  mov %rdi, %rax
  or %rdx, %rax
  test $0xfff, %eax
  jz 2f
1:
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
2:                                // whole pages
  test %sil, %sil
  jnz 1b
  test %rdx, %rdx
  jz 1b
  mov %rdi, %rax
  add %rdi, %rdx
  sub $24, %rsp
  movups %xmm0, (%rsp)
  xorps %xmm0, %xmm0
3:
  .set offset, 0
  .rept 32
  movaps %xmm0, offset(%rdi)
  .set offset, offset + 16
  .endr
  add $512, %rdi
  cmp %rdx, %rdi
  jne 3b
  movups (%rsp), %xmm0
  add $24, %rsp
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
