// SPDX-License-Identifier: Apache-2.0

import BareMetalMachine
import Machine
import MemoryEvents
import MemoryUnits

struct SelfTest {
  let machine: BareMetalMachine
  let information: BootInformation

  func run() -> Never {
    machine.write("quire: ")
    machine.write(decimal: information.memoryBytes.value)
    machine.write(" bytes\n")
    machine.record(MemoryEvent(.machineStarted, value: information.memoryBytes.value))
    machine.leave(.exited, value: 0)
    machine.halt()
  }
}
