// SPDX-License-Identifier: Apache-2.0
//
// Programs that run in user mode when the machine itself is tested.

#ifndef CTESTPROGRAMS_H
#define CTESTPROGRAMS_H

#include <stdint.h>

extern char test_programs_start[], test_programs_end[], test_program_second[];

static inline uint64_t test_programs_address(void) { return (uint64_t)test_programs_start; }

static inline uint64_t test_programs_bytes(void) {
  return (uint64_t)(test_programs_end - test_programs_start);
}

static inline uint64_t test_second_offset(void) {
  return (uint64_t)(test_program_second - test_programs_start);
}

#endif
