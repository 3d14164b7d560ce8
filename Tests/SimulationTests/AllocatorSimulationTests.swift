// SPDX-License-Identifier: Apache-2.0

import AllocatorSimulation
import Glibc
import KernelHeap
import SimulatedMachine
import Testing

/// More than two million operations on all allocators together, with injected failures.
///
/// `QUIRE_LONG=yes` does ten times as many, `Tests/simulate` as many as one likes;
/// `QUIRE_SEED=n` repeats one seed.
@Suite(.serialized) struct AllocatorSimulationTests {
  static var isLong: Bool { getenv("QUIRE_LONG").map { String(cString: $0) } == "yes" }

  private static var scale: Int { isLong ? 10 : 1 }
  private static var designs: [HeapDesign] { [.slub, .slab, .slob] }

  /// The seeds of a run; its failure prints the argument.
  private static func seeds(_ count: UInt64) -> [UInt64] {
    if let given = getenv("QUIRE_SEED"), let seed = UInt64(String(cString: given)) {
      return [seed]
    }
    return Array(1...count)
  }

  @Test(.enabled(if: TestMachine.seesLocks), arguments: designs, seeds(2))
  func `four CPUs in turn keep every invariant`(design: HeapDesign, seed: UInt64) throws {
    var simulation = try AllocatorSimulation(
      frameCount: 4096, cpuCount: 4, seed: seed, design: design)
    defer { simulation.tearDown() }
    var switches = 0
    for _ in 0..<(20 * Self.scale) { switches += try simulation.runInterleaved(5_000) }
    #expect(switches > 1_000)
    try finish(simulation)
  }

  @Test(arguments: designs, seeds(2))
  func `one CPU on a small machine keeps every invariant at each look`(
    design: HeapDesign, seed: UInt64
  ) throws {
    var simulation = try AllocatorSimulation(
      frameCount: 512, cpuCount: 1, seed: seed, design: design)
    defer { simulation.tearDown() }
    for _ in 0..<(500 * Self.scale) { try simulation.runAlone(50) }
    try finish(simulation)
  }

  // Real threads interleave as the host likes, so a failure here cannot be replayed from a seed.
  @Test func `four CPUs at the same time keep every invariant`() throws {
    var simulation = try AllocatorSimulation(frameCount: 4096, cpuCount: 4, seed: 1)
    defer { simulation.tearDown() }
    for _ in 0..<(5 * Self.scale) { try simulation.runParallel(7_500) }
    try finish(simulation)
  }

  private func finish(_ simulation: AllocatorSimulation) throws {
    #expect(simulation.failureCount > 0)
    try simulation.finish()
    #expect(Findings.take() == [])
  }
}
