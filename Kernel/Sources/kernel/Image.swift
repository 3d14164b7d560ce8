// SPDX-License-Identifier: Apache-2.0

import BareMetalMachine
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames

/// Called by `Boot.S`, once, on the first task's stack.
@c(image_main)
func start(startInformation: UInt64, counter: UInt64) {
  let (machine, information) = BareMetalMachine.start(
    startInformation: startInformation, counter: counter)
  machine.record(MemoryEvent(.machineStarted, value: information.memoryBytes.value))
  do {
    let memory = try KernelMemory(machine: machine, information: information)
    machine.write("quire: free pages ")
    machine.write(decimal: UInt64(memory.frames.freePageCount.value))
    machine.write(" at ")
    machine.write(decimal: machine.now.nanoseconds)
    machine.write("\n")
    machine.leave(.exited, value: 0)
  } catch {
    machine.leave(.tooSmall, value: 0)
  }
  machine.halt()
}

/// Called by `Traps.S` for each system call, on the task's own stack.
@c(image_system_call)
func takeSystemCall() {}

/// Called by `Traps.S` for each other trap out of user mode.
@c(image_trap)
func takeTrap(vector: UInt64, error: UInt64, address: UInt64) {}

/// Called by `Switch.S` when a kernel task begins.
@c(image_kernel_task)
func startKernelTask(argument: UInt64) {}
