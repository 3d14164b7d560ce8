// SPDX-License-Identifier: Apache-2.0

import BareMetalMachine
import Machine

/// Called on the boot's stack, once.
@c(image_main)
func start(startInformation: UInt64, counter: UInt64) {
  let (machine, information) = BareMetalMachine.start(
    startInformation: startInformation, counter: counter)
  SelfTest(machine: machine, information: information).run()
}

@c(image_system_call)
func takeSystemCall() {}

@c(image_trap)
func takeTrap(vector: UInt64, error: UInt64, address: UInt64) {}

@c(image_kernel_task)
func startKernelTask(argument: UInt64) {}
