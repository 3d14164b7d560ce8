// SPDX-License-Identifier: Apache-2.0

import Glibc
import KernelHeap
import MemoryUnits
import SimulatedMachine
import Testing

/// A million operations on page allocator and heap together, with injected failures.
///
/// `QUIRE_LONG=yes` does ten times as many; `QUIRE_SEED=n` repeats one seed.
@Suite(.serialized) struct AllocatorSimulationTests {
  static var isLong: Bool { getenv("QUIRE_LONG").map { String(cString: $0) } == "yes" }

  private static var scale: Int { isLong ? 10 : 1 }

  /// The seeds of a run; its failure prints the argument.
  private static func seeds(_ count: UInt64) -> [UInt64] {
    if let given = getenv("QUIRE_SEED"), let seed = UInt64(String(cString: given)) {
      return [seed]
    }
    return Array(1...count)
  }

  @Test(
    .enabled(if: TestMachine.seesLocks), arguments: [.slub, .slab, .slob] as [HeapDesign],
    seeds(2))
  func `four CPUs in turn keep every invariant`(design: HeapDesign, seed: UInt64) throws {
    let kernel = try SimulatedKernel(frameCount: 4096, cpuCount: 4, seed: seed, design: design)
    defer { kernel.machine.tearDown() }
    let exchange = SimulatedUser.Exchange()
    let users = (0..<4).map { cpu in
      SimulatedUser(kernel, exchange: exchange, seed: seed &* 4 &+ UInt64(cpu))
    }
    var switches = 0
    for round in 0..<(20 * Self.scale) {
      switches += kernel.machine.runInterleaved(seed: seed &+ UInt64(round) << 32, rarity: 32) {
        cpu in
        for _ in 0..<5_000 { users[Int(cpu.value)].step() }
      }
      try kernel.check(usedFrameCount: usedFrameCount(users, exchange))
    }
    #expect(switches > 1_000)
    try finish(users, exchange, kernel)
  }

  @Test(arguments: [.slub, .slab, .slob] as [HeapDesign], seeds(2))
  func `one CPU on a small machine keeps every invariant at each look`(
    design: HeapDesign, seed: UInt64
  ) throws {
    let kernel = try SimulatedKernel(
      frameCount: 384, cpuCount: 1, seed: seed, design: design)
    defer { kernel.machine.tearDown() }
    let exchange = SimulatedUser.Exchange()
    let user = SimulatedUser(kernel, exchange: exchange, seed: seed)
    for _ in 0..<(500 * Self.scale) {
      for _ in 0..<50 { user.step() }
      try kernel.check(usedFrameCount: usedFrameCount([user], exchange))
    }
    try finish([user], exchange, kernel)
  }

  // Real threads interleave as the host likes, so a failure here cannot be replayed from a seed.
  @Test func `four CPUs at the same time keep every invariant`() throws {
    let kernel = try SimulatedKernel(frameCount: 4096, cpuCount: 4, seed: 1)
    defer { kernel.machine.tearDown() }
    let exchange = SimulatedUser.Exchange()
    let users = (0..<4).map {
      SimulatedUser(kernel, exchange: exchange, seed: 100 + UInt64($0))
    }
    for _ in 0..<(5 * Self.scale) {
      kernel.machine.runParallel { cpu in
        for _ in 0..<7_500 { users[Int(cpu.value)].step() }
      }
      try kernel.check(usedFrameCount: usedFrameCount(users, exchange))
    }
    try finish(users, exchange, kernel)
  }

  private func usedFrameCount(
    _ users: [SimulatedUser], _ exchange: SimulatedUser.Exchange
  ) -> Int {
    let exchanged = exchange.blocks.withLock { blocks in
      blocks.reduce(0) { $0 + $1.order.pageCount.value }
    }
    return users.reduce(exchanged) { $0 + $1.usedFrameCount }
  }

  private func finish(
    _ users: [SimulatedUser], _ exchange: SimulatedUser.Exchange, _ kernel: SimulatedKernel
  ) throws {
    #expect(users.allSatisfy { $0.failureCount > 0 })
    users[0].blocks += exchange.blocks.withLock { blocks in
      defer { blocks = [] }
      return blocks
    }
    for user in users { user.finish() }
    try kernel.checkEmpty()
  }
}
