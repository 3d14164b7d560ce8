// SPDX-License-Identifier: Apache-2.0

import BareMetalMachine
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames
import Processes

/// The image's one global: the kernel, once it is built.
// SAFETY: one CPU; set before the first task that reads it.
nonisolated(unsafe) private var kernel: Kernel<BareMetalMachine>?

/// Called by `Boot.S`, once, on the first task's stack.
@c(image_main)
func start(startInformation: UInt64, counter: UInt64) {
  let (machine, information) = BareMetalMachine.start(
    startInformation: startInformation, counter: counter)
  let built: Kernel<BareMetalMachine>
  do {
    built = try Kernel.boot(machine: machine, description: information.description)
    try machine.startDisks { (disk, size) throws(AllocationError) in
      try built.allocateCoherent(forDisk: disk, size)
    }
  } catch {
    machine.leave(.tooSmall, value: 0)
    machine.halt()
  }
  // SAFETY: written once, before the first task that reads it.
  unsafe kernel = built
  built.run()
}

/// Called by `Traps.S` for each system call, on the task's own stack.
@c(image_system_call)
func takeSystemCall() {
  // SAFETY: programs run only once the kernel is built.
  unsafe kernel?.handleSystemCall()
}

/// Called by `Traps.S` for each other trap out of user mode.
@c(image_trap)
func takeTrap(vector: UInt64, error: UInt64, address: UInt64) {
  let trap = BareMetalMachine.started.takeTrap(vector: vector, error: error, address: address)
  // SAFETY: as in `takeSystemCall`.
  if let trap { unsafe kernel?.handleTrap(trap) }
}

/// Called by `Switch.S` when a kernel task begins.
@c(image_kernel_task)
func startKernelTask(argument: UInt64) {
  // SAFETY: as in `takeSystemCall`.
  unsafe kernel?.runKernelTask(argument)
}
