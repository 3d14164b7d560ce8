// SPDX-License-Identifier: Apache-2.0

#if DEBUG && !hasFeature(Embedded)
  import Synchronization

  /// What a simulator on a host is told of every lock, so that a waiting CPU lets another run and
  /// ranks are checked; in a kernel's image and in release nothing of this exists.
  ///
  /// Linux: lockdep.
  public struct LockObserver: Sendable {
    /// A CPU is about to wait for a lock, or to take it at once.
    public var willAcquire: @Sendable (LockRank) -> Void
    public var didAcquire: @Sendable (LockRank) -> Void
    /// Somebody else holds it: called again and again until it is free.
    public var isWaiting: @Sendable (LockRank) -> Void
    public var didRelease: @Sendable (LockRank) -> Void

    public init(
      willAcquire: @escaping @Sendable (LockRank) -> Void,
      didAcquire: @escaping @Sendable (LockRank) -> Void,
      isWaiting: @escaping @Sendable (LockRank) -> Void,
      didRelease: @escaping @Sendable (LockRank) -> Void
    ) {
      self.willAcquire = willAcquire
      self.didAcquire = didAcquire
      self.isWaiting = isWaiting
      self.didRelease = didRelease
    }

    private static let isInstalled = Atomic<Bool>(false)
    private static let installed = Mutex<LockObserver?>(nil)

    /// Makes this the observer of all locks of the process, from now on.
    public func install() {
      Self.installed.withLock { $0 = self }
      Self.isInstalled.store(true, ordering: .releasing)
    }

    static var current: LockObserver? {
      isInstalled.load(ordering: .acquiring) ? installed.withLock { $0 } : nil
    }
  }
#endif
