// SPDX-License-Identifier: Apache-2.0

import KernelMappings
import Machine
import MemoryManagement
import MemoryUnits
import PageFrames
import PageTableFormats
import SimulatedMachine
import Testing

@testable import SelfTests

/// The kernel's own suites on a simulated machine: `quire selftest` runs them in a booted one.
@Suite struct SelfTestsTests {
  private typealias Simulation = SimulatedMachine<X8664Format>

  private static let suites = (0..<SelfTestSuite.count).compactMap(SelfTestSuite.init(rawValue:))

  private static func run(_ body: (SelfTests<Simulation>) throws -> Void) throws {
    let options = SimulationOptions(
      frameCount: 6144, seed: 1, initialContent: .garbage, freedFrames: .poisoned)
    try Simulation.run(options) { (machine: Simulation) throws in
      let size = PageCount(6144).bytes
      var description = BootDescription(
        memoryBytes: size, layout: .x86_64, zones: .x86_64,
        stack: KernelStack(top: VirtualAddress(0xFFFF_FFFF_8010_F000)))
      description.memory.append(.init(start: PhysicalAddress(0), byteCount: size))
      let core = try MemoryCore(machine: machine, description: description)
      try body(
        SelfTests(
          frames: core.frames, heap: core.heap, mappings: core.mappings, devices: core.devices))
    }
  }

  @Test(arguments: suites) func `every check of a suite holds`(suite: SelfTestSuite) throws {
    try Self.run { tests in
      let checks = tests.run(suite)
      #expect(checks.failure.map { String(describing: $0) } == nil)
      #expect(checks.count >= 10)
    }
  }

  @Test func `every suite has a name, and there are no more`() {
    #expect(Self.suites.count == Int(SelfTestSuite.count))
    #expect(SelfTestSuite(rawValue: SelfTestSuite.count) == nil)
    #expect(Set(Self.suites.map { String(describing: $0.name) }).count == Self.suites.count)
  }

  @Test func `the first check that does not hold is named`() {
    var checks = SelfTestChecks()
    checks.check(true, "one")
    checks.check(false, "two")
    checks.check(false, "three")
    #expect(checks.count == 3 && checks.failure.map { String(describing: $0) } == "two")
  }
}
