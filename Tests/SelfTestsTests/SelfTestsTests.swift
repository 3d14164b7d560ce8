// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import MemoryUnits
import PageFrames
import SimulatedMachine
import Testing

@testable import SelfTests

/// The kernel's own suites on a simulated machine: `quire selftest` runs them in a booted one.
@Suite struct SelfTestsTests {
  private static let suites = (0..<SelfTestSuite.count).compactMap(SelfTestSuite.init(rawValue:))

  private static func run(
    _ suite: SelfTestSuite, design: HeapDesign = .slub, area: ContiguousAreaRequest? = nil
  ) throws -> SelfTestChecks {
    var options = SimulationOptions(
      frameCount: 6144, seed: 1, initialContent: .garbage, freedFrames: .poisoned)
    options.diskByteCounts = [TestKernel.diskByteCount, TestKernel.diskByteCount]
    return try Simulation.run(options) { (machine: Simulation) throws in
      SelfTests(try TestKernel(machine, design: design, area: area)).run(suite)
    }
  }

  @Test(arguments: suites, [HeapDesign.slub, .slab, .slob])
  func `every check of a suite holds`(suite: SelfTestSuite, design: HeapDesign) throws {
    let area = ContiguousAreaRequest(size: ByteCount(4 << 20))
    let checks = try Self.run(suite, design: design, area: area)
    #expect(checks.failure.map { String(describing: $0) } == nil)
    #expect(checks.count >= 10)
  }

  @Test(arguments: [SelfTestSuite.contiguous, .sharedBuffer, .compaction])
  func `and on a machine without an area`(suite: SelfTestSuite) throws {
    let checks = try Self.run(suite)
    #expect(checks.failure.map { String(describing: $0) } == nil)
    #expect(checks.count >= 6)
  }

  @Test(arguments: [HeapDesign.slub, .slab, .slob])
  func `the line of the design says which it is`(design: HeapDesign) throws {
    let finding = try Self.run(.heapDesign, design: design).finding
    #expect(finding.map { String(describing: $0) } == "\(design)")
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
