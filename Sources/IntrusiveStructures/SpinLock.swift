// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// The place of a lock in the order in which locks are taken: only upwards.
public enum LockRank: UInt8, Sendable {
  /// The one lock above the allocators.
  case kernel = 1
  case slabCache = 2
  case cpuList = 3
  case zone = 4
  /// What counts failures on purpose; below nothing.
  case failureInjection = 5
}

/// A lock that is waited for by spinning: for a few instructions, never over a sleep.
///
/// In debug builds on a host a `LockObserver` sees every lock and checks the ranks.
///
/// Linux: `spinlock_t`.
public struct SpinLock: ~Copyable {
  public let rank: LockRank
  private let word = Atomic<UInt32>(0)

  public init(rank: LockRank) { self.rank = rank }

  /// Takes the lock if it is free. Linux: `spin_trylock()`.
  public func tryAcquire() -> Bool {
    guard exchange() else { return false }
    observe(.didAcquire)
    return true
  }

  /// Takes the lock, spinning until it is free. Linux: `spin_lock()`.
  ///
  /// - Precondition: the caller does not hold it.
  public func acquire() {
    observe(.willAcquire)
    while !exchange() { observe(.isWaiting) }
    observe(.didAcquire)
  }

  /// - Precondition: the caller holds it.
  public func release() {
    word.store(0, ordering: .releasing)
    observe(.didRelease)
  }

  private func exchange() -> Bool {
    word.compareExchange(
      expected: 0, desired: 1, successOrdering: .acquiring, failureOrdering: .relaxed
    ).exchanged
  }

  private enum Moment { case willAcquire, isWaiting, didAcquire, didRelease }

  private func observe(_ moment: Moment) {
    #if DEBUG && !hasFeature(Embedded)
      guard let observer = LockObserver.current else { return }
      switch moment {
      case .willAcquire: observer.willAcquire(rank)
      case .isWaiting: observer.isWaiting(rank)
      case .didAcquire: observer.didAcquire(rank)
      case .didRelease: observer.didRelease(rank)
      }
    #endif
  }
}
