// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

// The host, for programs that are compiled as the kernel's image is, and so have no module of the
// system: its headers, and a number that each thread has for itself, in one instruction.

extern __thread uint8_t host_cpu_number __attribute__((tls_model("initial-exec")));

/// The CPU that the calling thread plays; 0 until it is set.
static inline uint8_t current_cpu_number(void) { return host_cpu_number; }
static inline void set_current_cpu_number(uint8_t number) { host_cpu_number = number; }

static inline uint64_t host_nanoseconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/// Memory of zeros, or NULL.
static inline void *map_zeros(size_t bytes) {
  void *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return base == MAP_FAILED ? NULL : base;
}

/// The memory that the host has given the process, in bytes.
uint64_t host_resident_bytes(void);

/// The program's words, of which the host says nothing in Swift here; 0 beyond the last.
const char *program_word(int place);
