// SPDX-License-Identifier: Apache-2.0
//
// Instructions and uncached accesses. Addresses are integers: who calls says why they are valid.

#ifndef CPROCESSOR_INSTRUCTIONS_H
#define CPROCESSOR_INSTRUCTIONS_H

#include <stdint.h>

// The counter that ticks once per instruction under -icount shift=0.
static inline uint64_t processor_time_stamp(void) {
  uint32_t low, high;
  __asm__ volatile("rdtsc" : "=a"(low), "=d"(high)::"memory");
  return (uint64_t)high << 32 | low;
}

static inline void processor_pause(void) { __asm__ volatile("pause" ::: "memory"); }

static inline void processor_halt(void) { __asm__ volatile("cli; hlt" ::: "memory"); }

static inline void processor_port_write8(uint16_t port, uint8_t value) {
  __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port));
}

static inline void processor_port_write32(uint16_t port, uint32_t value) {
  __asm__ volatile("outl %0, %1" ::"a"(value), "Nd"(port));
}

static inline uint64_t processor_read_model_register(uint32_t number) {
  uint32_t low, high;
  __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(number));
  return (uint64_t)high << 32 | low;
}

static inline void processor_write_model_register(uint32_t number, uint64_t value) {
  __asm__ volatile("wrmsr" ::"c"(number), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
                   : "memory");
}

static inline uint64_t processor_read_control0(void) {
  uint64_t value;
  __asm__ volatile("mov %%cr0, %0" : "=r"(value));
  return value;
}

static inline void processor_write_control0(uint64_t value) {
  __asm__ volatile("mov %0, %%cr0" ::"r"(value) : "memory");
}

// CR3: the page table's root.
static inline uint64_t processor_read_root(void) {
  uint64_t value;
  __asm__ volatile("mov %%cr3, %0" : "=r"(value));
  return value;
}

static inline void processor_write_root(uint64_t value) {
  __asm__ volatile("mov %0, %%cr3" ::"r"(value) : "memory");
}

static inline uint64_t processor_read_control4(void) {
  uint64_t value;
  __asm__ volatile("mov %%cr4, %0" : "=r"(value));
  return value;
}

static inline void processor_write_control4(uint64_t value) {
  __asm__ volatile("mov %0, %%cr4" ::"r"(value) : "memory");
}

static inline void processor_forget_page(uint64_t address) {
  __asm__ volatile("invlpg (%0)" ::"r"(address) : "memory");
}

// CPUID; the registers of one answer.
struct processor_identity { uint32_t a, b, c, d; };

static inline struct processor_identity processor_identify(uint32_t leaf, uint32_t subleaf) {
  struct processor_identity it;
  __asm__ volatile("cpuid"
                   : "=a"(it.a), "=b"(it.b), "=c"(it.c), "=d"(it.d)
                   : "a"(leaf), "c"(subleaf));
  return it;
}

// LGDT and LIDT take a 10-byte operand: limit, then base.
static inline void processor_load_segments(uint64_t base, uint16_t limit) {
  struct __attribute__((packed)) { uint16_t limit; uint64_t base; } operand = {limit, base};
  __asm__ volatile("lgdt %0" ::"m"(operand));
}

static inline void processor_load_interrupts(uint64_t base, uint16_t limit) {
  struct __attribute__((packed)) { uint16_t limit; uint64_t base; } operand = {limit, base};
  __asm__ volatile("lidt %0" ::"m"(operand));
}

static inline void processor_load_task(uint16_t selector) {
  __asm__ volatile("ltr %0" ::"r"(selector));
}

static inline void processor_save_floating(uint64_t area) {
  __asm__ volatile("fxsave64 (%0)" ::"r"(area) : "memory");
}

static inline void processor_restore_floating(uint64_t area) {
  __asm__ volatile("fxrstor64 (%0)" ::"r"(area) : "memory");
}

// Memory that a device or the host looks at too: each access happens, once, in order.
static inline uint16_t shared_load16(uint64_t address) {
  return __atomic_load_n((volatile uint16_t *)address, __ATOMIC_ACQUIRE);
}

static inline uint32_t shared_load32(uint64_t address) {
  return __atomic_load_n((volatile uint32_t *)address, __ATOMIC_ACQUIRE);
}

static inline uint64_t shared_load64(uint64_t address) {
  return __atomic_load_n((volatile uint64_t *)address, __ATOMIC_ACQUIRE);
}

static inline void shared_store8(uint64_t address, uint8_t value) {
  __atomic_store_n((volatile uint8_t *)address, value, __ATOMIC_RELEASE);
}

static inline void shared_store16(uint64_t address, uint16_t value) {
  __atomic_store_n((volatile uint16_t *)address, value, __ATOMIC_RELEASE);
}

static inline void shared_store32(uint64_t address, uint32_t value) {
  __atomic_store_n((volatile uint32_t *)address, value, __ATOMIC_RELEASE);
}

static inline void shared_store64(uint64_t address, uint64_t value) {
  __atomic_store_n((volatile uint64_t *)address, value, __ATOMIC_RELEASE);
}

#endif
