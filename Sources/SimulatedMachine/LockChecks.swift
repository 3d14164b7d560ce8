// SPDX-License-Identifier: Apache-2.0

import Glibc
import IntrusiveStructures

/// Watches all locks of a test process: ranks only go up, and a CPU that waits for a lock gives
/// its turn to another.
enum LockChecks {
  /// Set for a run under ThreadSanitizer, which an observer would tell of orders that a kernel
  /// does not have.
  static var isWanted: Bool {
    // SAFETY: a constant name.
    unsafe getenv("QUIRE_SANITIZE") == nil
  }

  #if DEBUG
    static var areSeen: Bool { isWanted }

    /// Takes effect once, however often it is asked for.
    static let install: Void = {
      guard isWanted else { return }
      LockObserver(
        willAcquire: {
          checkOrder($0)
          yieldPoint()
        },
        didAcquire: { ThreadContext.current.heldRanks.append($0.rawValue) },
        isWaiting: wait,
        didRelease: forget
      ).install()
    }()
  #else
    static var areSeen: Bool { false }
    static var install: Void { () }
  #endif

  /// Traps if the running code holds a lock, since it is about to sleep.
  static func checkNoneHeld() {
    guard let rank = ThreadContext.current.heldRanks.last else { return }
    fatalError("simulated machine: a task sleeps with a lock of rank \(rank) held")
  }

  @Sendable private static func checkOrder(_ rank: LockRank) {
    guard let held = ThreadContext.current.heldRanks.last, held >= rank.rawValue else { return }
    fatalError(
      "simulated machine: a lock of rank \(rank.rawValue) is taken after one of rank \(held)")
  }

  @Sendable private static func wait(_ rank: LockRank) {
    let context = ThreadContext.current
    if let interleaver = context.interleaver {
      interleaver.mustPass(Int(context.cpu))
    } else {
      sched_yield()
    }
  }

  @Sendable private static func forget(_ rank: LockRank) {
    let context = ThreadContext.current
    if let place = context.heldRanks.lastIndex(of: rank.rawValue) {
      context.heldRanks.remove(at: place)
    }
    yieldPoint()
  }

  private static func yieldPoint() {
    let context = ThreadContext.current
    if let interleaver = context.interleaver { interleaver.mayPass(Int(context.cpu)) }
  }
}
