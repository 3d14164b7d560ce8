// SPDX-License-Identifier: Apache-2.0
//
// Places that the linker script and the assembly files define, as addresses.

#ifndef CPROCESSOR_PLACES_H
#define CPROCESSOR_PLACES_H

#include <stdint.h>

#define PLACE(function, symbol)                                                                  \
  extern char symbol[];                                                                          \
  static inline uint64_t function(void) { return (uint64_t)symbol; }

PLACE(place_text_start, image_text_start)
PLACE(place_text_end, image_text_end)
PLACE(place_rodata_end, image_rodata_end)
PLACE(place_data_end, image_data_end)
PLACE(place_stack_start, boot_stack_start)
PLACE(place_stack_end, image_stack_end)
PLACE(place_image_end, image_end)
PLACE(place_boot_root, boot_root)
PLACE(place_boot_direct, boot_direct)
PLACE(place_trap_stubs, trap_stubs)
PLACE(place_system_call_entry, system_call_entry)
PLACE(place_return_to_user, return_to_user)
PLACE(place_kernel_task_start, kernel_task_start)
PLACE(place_segment_table, segment_table)
PLACE(place_interrupt_table, interrupt_table)
PLACE(place_task_segment, task_segment)
PLACE(place_emergency_stack_end, emergency_stack_end)
PLACE(place_machine_state, machine_state)

// Switch.S
void processor_switch(uint64_t from_task, uint64_t to_task);

#endif
