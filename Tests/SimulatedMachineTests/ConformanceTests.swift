// SPDX-License-Identifier: Apache-2.0

import Machine
import MachineConformance
import MemoryUnits
import PageTableFormats
import SimulatedMachine
import Testing

struct ConformanceTests {
  private func check<Format: PageTableFormat>(
    _ format: Format.Type, directMapFrameCount: Int = 64
  ) throws {
    let options = SimulationOptions(
      frameCount: 64, directMapFrameCount: directMapFrameCount, initialContent: .garbage,
      diskByteCounts: [65_536])
    try SimulatedMachine<Format>.run(options) { machine in
      let conformance = MachineConformance(machine: machine, scratch: PageFrameNumber(8))
      let isAllMapped = directMapFrameCount == 64
      try conformance.check(highFrame: isAllMapped ? nil : PageFrameNumber(60))
      machine.setKernelTask { conformance.runTask($0) }
      try conformance.checkTasks(
        own: KernelStack(top: VirtualAddress(0x1_0000)),
        other: KernelStack(top: VirtualAddress(0x2_0000)))
      try conformance.checkDisk(0, sector: 16)
    }
  }

  @Test func `the simulated machine keeps the contract with every format`() throws {
    try check(X8664Format.self)
    try check(PAEFormat.self, directMapFrameCount: 32)
    try check(I386Format.self, directMapFrameCount: 32)
    try check(Sv39Format.self)
    try check(AArch64Format.self)
  }

  @Test func `a disk that loses a transfer does not keep it`() {
    let options = SimulationOptions(frameCount: 64, diskByteCounts: [65_536])
    SimulatedMachine<X8664Format>.run(options) { machine in
      machine.addDiskFault(
        DiskFault(disk: 0, sectors: 40..<41, direction: .write, effect: .fails))
      let conformance = MachineConformance(machine: machine, scratch: PageFrameNumber(8))
      #expect(throws: ConformanceFailure.self) {
        try conformance.checkDisk(0, sector: 16)
      }
    }
  }
}
