// SPDX-License-Identifier: Apache-2.0

import BareMetalMachine
import Machine
import MemoryEvents
import MemoryUnits

/// The image's one global.
// SAFETY: set once, by one CPU, before the first trap that reads it.
nonisolated(unsafe) private var test: TestKernel?

@c(image_main)
func start(startInformation: UInt64, counter: UInt64) {
  let (machine, information) = BareMetalMachine.start(
    startInformation: startInformation, counter: counter)
  let kernel = TestKernel(machine: machine, information: information)
  // SAFETY: nothing traps before the tests begin.
  unsafe test = kernel
  kernel.run()
  machine.leave(.exited, value: UInt64(kernel.state.value.failureCount))
  machine.halt()
}

@c(image_system_call)
func takeSystemCall() {
  // SAFETY: as at the global.
  unsafe test?.takeSystemCall()
}

@c(image_trap)
func takeTrap(vector: UInt64, error: UInt64, address: UInt64) {
  let trap = BareMetalMachine.started.takeTrap(vector: vector, error: error, address: address)
  // SAFETY: as at the global.
  if let trap { unsafe test?.take(trap) }
}

@c(image_kernel_task)
func startKernelTask(argument: UInt64) {
  // SAFETY: as at the global.
  unsafe test?.runKernelTask(argument)
}
