// SPDX-License-Identifier: Apache-2.0

import MemoryUnits
import PageTableFormats

// Several CPUs at work, for the layers that are concurrent.

extension SimulatedMachine {
  /// The CPU that the running host thread plays; the first outside `runInterleaved` and
  /// `runParallel`.
  public var currentCPU: CPUNumber {
    yieldPoint()
    return CPUNumber(ThreadContext.current.cpu)
  }

  /// Whether locks are seen: in debug builds, unless `QUIRE_SANITIZE` is set.
  ///
  /// Only then are ranks checked, and may an interleaved run change CPUs inside a lock.
  public static var seesLocks: Bool { LockChecks.areSeen }

  /// Runs a body as every CPU, one at a time, changing between them as the seed says: at each
  /// call of the machine, each lock and each `yieldPoint()`, also while locks are held.
  ///
  /// The same seed gives the same run. Where locks are not seen (`seesLocks`), a call of the
  /// machine inside a lock may wait for ever.
  ///
  /// - Parameter rarity: the CPU changes at one in so many of these places.
  /// - Returns: how often it changed.
  @discardableResult
  public func runInterleaved(
    seed: UInt64, rarity: Int = 8, _ body: @escaping (CPUNumber) -> Void
  ) -> Int {
    let interleaver = Interleaver(cpuCount: options.cpuCount, seed: seed, rarity: rarity)
    let shared = SharedBody(run: body)
    interleaver.run { cpu in shared.run(CPUNumber(UInt8(cpu))) }
    return interleaver.switchCount
  }

  /// Runs a body as every CPU at the same time, as the host likes: not repeatable, for
  /// ThreadSanitizer and for what interleaving at calls does not reach.
  public func runParallel(_ body: @escaping (CPUNumber) -> Void) {
    let shared = SharedBody(run: body)
    let threads = (0..<options.cpuCount).map { cpu in
      HostThread(ThreadContext(cpu: UInt8(cpu))) { shared.run(CPUNumber(UInt8(cpu))) }
    }
    for thread in threads { thread.join() }
  }

  /// A place where, in an interleaved run, another CPU may get on.
  public func yieldPoint() {
    let context = ThreadContext.current
    if let interleaver = context.interleaver { interleaver.mayPass(Int(context.cpu)) }
  }
}

/// A body that several threads run. What it shares is the kernel under test, whose locks are
/// what the test is about, so that the compiler cannot know.
private struct SharedBody: @unchecked Sendable {
  let run: (CPUNumber) -> Void
}
