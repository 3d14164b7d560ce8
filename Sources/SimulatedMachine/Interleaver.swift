// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Lets one of several CPUs run at a time and changes between them where a seed says, so that a
/// run of concurrent code repeats.
///
/// The CPUs are threads of the host that pass one turn. Each call of the machine, and each
/// lock taken, waited for or released, is a place where the turn may pass; also while locks are
/// held.
final class Interleaver: Sendable {
  private struct State {
    var generator: SeededGenerator
    var running = 0
    var isAlive: [Bool]
    /// Waits for locks since somebody last got on.
    var idleWaits = 0
    var switchCount = 0
  }

  private let state: Mutex<State>
  private let turns: [Turn]
  /// The turn passes at one in so many places.
  private let rarity: Int

  init(cpuCount: Int, seed: UInt64, rarity: Int) {
    state = Mutex(
      State(
        generator: SeededGenerator(seed: seed), isAlive: Array(repeating: true, count: cpuCount)))
    turns = (0..<cpuCount).map { _ in Turn() }
    self.rarity = rarity
  }

  /// How often the turn passed.
  var switchCount: Int { state.withLock { $0.switchCount } }

  /// Runs a body as every CPU, and returns when all are done.
  func run(_ body: @escaping @Sendable (Int) -> Void) {
    let threads = turns.indices.map { cpu in
      HostThread(ThreadContext(cpu: UInt8(cpu), interleaver: self)) {
        self.turns[cpu].take()
        body(cpu)
        self.leave(cpu)
      }
    }
    pass(from: nil)
    for thread in threads { thread.join() }
  }

  /// A place where another CPU may get on.
  func mayPass(_ cpu: Int) {
    let next: Int? = state.withLock { state in
      state.idleWaits = 0
      guard state.generator.oneIn(rarity) else { return nil }
      return choose(&state, except: nil)
    }
    if let next, next != cpu { handOver(from: cpu, to: next) }
  }

  /// The CPU cannot get on until another has.
  func mustPass(_ cpu: Int) {
    let next: Int? = state.withLock { state in
      state.idleWaits += 1
      // Each CPU had thousands of turns and none got on: they wait for each other.
      guard state.idleWaits < 10_000 * state.isAlive.count else { return nil }
      return choose(&state, except: cpu)
    }
    guard let next else {
      fatalError("simulated machine: CPU \(cpu) waits for a lock that nobody will release")
    }
    handOver(from: cpu, to: next)
  }

  private func leave(_ cpu: Int) {
    state.withLock { $0.isAlive[cpu] = false }
    pass(from: cpu)
  }

  private func pass(from cpu: Int?) {
    let next = state.withLock { choose(&$0, except: cpu) }
    if let next { turns[next].give() }
  }

  private func handOver(from cpu: Int, to next: Int) {
    turns[next].give()
    turns[cpu].take()
  }

  private func choose(_ state: inout State, except cpu: Int?) -> Int? {
    let ready = state.isAlive.indices.filter { state.isAlive[$0] && $0 != cpu }
    guard !ready.isEmpty else { return nil }
    state.running = ready[state.generator.number(below: ready.count)]
    state.switchCount += 1
    return state.running
  }
}
