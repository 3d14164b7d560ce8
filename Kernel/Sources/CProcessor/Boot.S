// SPDX-License-Identifier: Apache-2.0
//
// From the loader (PVH: 32-bit protected mode, no paging, EBX = start info) to Swift at -2 GiB.
// Linux: arch/x86/platform/pvh/head.S.

#include "include/layouts.h"

#define OFFSET 0xffffffff80000000
#define PHYSICAL(symbol) (symbol - OFFSET)

  .section .note.Xen, "a", @note
  .balign 4
  .long 4, 4, 18                  // XEN_ELFNOTE_PHYS32_ENTRY
  .asciz "Xen"
  .long PHYSICAL(image_entry)

  .section .boot.text, "ax", @progbits
  .code32
  .globl image_entry
image_entry:
  cli
  cld
  rdtsc                           // EDX:EAX, kept in EDI:ESI until Swift gets it
  mov %eax, %esi
  mov %edx, %edi

  mov $0x6a0, %eax                // CR4: PAE, PGE, OSFXSR, OSXMMEXCPT
  mov %eax, %cr4
  mov $PHYSICAL(boot_root), %eax
  mov %eax, %cr3
  mov $0xc0000080, %ecx           // EFER: SCE, LME, NXE
  rdmsr
  or $0x901, %eax
  wrmsr
  mov $0x80010033, %eax           // CR0: PG, WP, NE, ET, MP, PE
  mov %eax, %cr0

  lgdt PHYSICAL(boot_segment_operand)
  ljmp $PROCESSOR_KERNEL_CODE, $PHYSICAL(1f)

  .code64
1:
  movabs $2f, %rax
  jmp *%rax
2:
  mov $PROCESSOR_KERNEL_DATA, %eax
  mov %eax, %ss
  xor %eax, %eax
  mov %eax, %ds
  mov %eax, %es
  mov %eax, %fs
  mov %eax, %gs
  mov $image_stack_end - PROCESSOR_TASK_BYTES, %rsp
  xor %ebp, %ebp
  mov %esi, %esi                  // both halves are 32 bits wide
  shl $32, %rdi
  or %rdi, %rsi                   // argument 1: the counter at image_entry
  mov %ebx, %edi                  // argument 0: physical address of the start info
  call image_main
  ud2

  .section .rodata.boot, "a", @progbits
boot_segment_operand:
  .word 0x4f
  .long PHYSICAL(segment_table)

// The tables that boot and Swift share.
  .data
  .balign 16
  .globl segment_table
segment_table:
  .quad 0, 0
  .quad 0x00af9b000000ffff        // 0x10 kernel code
  .quad 0x00cf93000000ffff        // 0x18 kernel data
  .quad 0x00cffb000000ffff        // 0x23 user code, 32 bits
  .quad 0x00cff3000000ffff        // 0x2b user data
  .quad 0x00affb000000ffff        // 0x33 user code
  .quad 0
  .quad 0, 0                      // 0x40 task segment, filled in by Swift

  .bss
  .balign 4096
  .globl interrupt_table, emergency_stack_end, machine_state, task_segment
interrupt_table:
  .space 4096
  .space 4096                     // for double faults and the like
emergency_stack_end:
machine_state:
  .space 4096
  .balign 16
task_segment:
  .space 112

  .section .boot.stack, "aw", @nobits
  .balign 4096
  .globl boot_stack_start
  .space 4096                     // never mapped: the image's first page
boot_stack_start:
  .space PROCESSOR_BOOT_STACK_BYTES

// The first GiB, thrice: where it is (until Swift runs), at the direct map's start, and at
// -2 GiB. All in pages of 2 MiB, but for the first ones of the image, where the page below the
// stack is missing.
  .section .boot.tables, "aw", @progbits
  .balign 4096
  .globl boot_root, boot_direct
boot_root:
  .quad PHYSICAL(boot_direct) + 3
  .space 272 * 8
  .quad PHYSICAL(boot_direct) + 3
  .space 237 * 8
  .quad PHYSICAL(boot_image) + 3
boot_direct:
  .quad PHYSICAL(boot_first) + 3
  .space 511 * 8
boot_image:
  .space 510 * 8
  .quad PHYSICAL(boot_image_first) + 3
  .space 8
boot_image_first:
  .quad PHYSICAL(boot_image_pages) + 3
  .set frame, 0x200000
  .rept 511
  .quad frame + 0x83
  .set frame, frame + 0x200000
  .endr
boot_image_pages:
  .set frame, 0
  .rept 512
  .if frame == 0x100000
  .quad 0
  .else
  .quad frame + 3
  .endif
  .set frame, frame + 0x1000
  .endr
boot_first:
  .set frame, 0
  .rept 512
  .quad frame + 0x83
  .set frame, frame + 0x200000
  .endr

  .section .note.GNU-stack, "", @progbits
