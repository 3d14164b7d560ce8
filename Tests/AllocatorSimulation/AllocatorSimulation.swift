// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import MemoryUnits
import SimulatedMachine

/// Random operations on all allocators together, with injected failures.
///
/// What it finds is in `Findings`; an invariant that is broken is thrown.
public struct AllocatorSimulation {
  public let kernel: SimulatedKernel
  private let exchange = SimulatedUser.Exchange()
  private let users: [SimulatedUser]
  private let seed: UInt64
  private var round = 0

  public init(
    frameCount: Int, cpuCount: Int, seed: UInt64, design: HeapDesign = .slub
  ) throws {
    let kernel = try SimulatedKernel(
      frameCount: frameCount, cpuCount: cpuCount, seed: seed, design: design)
    let exchange = exchange
    self.kernel = kernel
    self.seed = seed
    users = (0..<cpuCount).map { cpu in
      SimulatedUser(kernel, exchange: exchange, seed: seed &* 4 &+ UInt64(cpu))
    }
  }

  public var operationCount: Int { users.reduce(0) { $0 + $1.operationCount } }
  public var failureCount: Int { users.map(\.failureCount).min() ?? 0 }

  /// Lets every CPU do so many operations, changing between them within verbs and locks; then
  /// looks at everything. Returns how often the CPU changed.
  public mutating func runInterleaved(_ count: Int) throws -> Int {
    begin()
    let users = users
    let switches = kernel.machine.runInterleaved(
      seed: seed &+ UInt64(round) << 32, rarity: 32
    ) { cpu in
      for _ in 0..<count { users[Int(cpu.value)].step() }
    }
    try check()
    return switches
  }

  /// The same with threads of the host, at the same time.
  public mutating func runParallel(_ count: Int) throws {
    begin()
    let users = users
    kernel.machine.runParallel { cpu in
      for _ in 0..<count { users[Int(cpu.value)].step() }
    }
    try check()
  }

  /// The same with the first CPU alone.
  public mutating func runAlone(_ count: Int) throws {
    begin()
    for _ in 0..<count { users[0].step() }
    try check()
  }

  /// Gives everything back; nothing may be missing.
  public func finish() throws {
    users[0].blocks += exchange.blocks.withLock { blocks in
      defer { blocks = [] }
      return blocks
    }
    for user in users { user.finish() }
    try kernel.checkEmpty()
  }

  public func tearDown() { kernel.machine.tearDown() }

  /// The kernel's lock is another CPU's in each round.
  private mutating func begin() {
    round += 1
    for (cpu, user) in users.enumerated() { user.hasKernelLock = cpu == round % users.count }
  }

  private func check() throws {
    let exchanged = exchange.blocks.withLock { blocks in
      blocks.reduce(0) { $0 + $1.order.pageCount.value }
    }
    try kernel.check(usedFrameCount: users.reduce(exchanged) { $0 + $1.usedFrameCount })
  }
}
