// SPDX-License-Identifier: Apache-2.0

import MemoryEvents
import MemoryUnits

/// What can free memory when an allocation finds none: the one need of this layer of those above.
///
/// Linux: the slow path's `__perform_reclaim()` and what it calls.
public protocol PressureRelief {
  /// Tries to free memory for a request that failed.
  ///
  /// - Context: no lock of this layer is held; may sleep.
  /// - Returns: `progress` if trying again makes sense; it must not say so for ever.
  func relieve(_ shortfall: Shortfall) -> Relief

  /// Lets others run for a moment, since nothing can be freed and the request may not fail.
  ///
  /// Linux: `cond_resched()`.
  func pause()
}

extension PressureRelief {
  public func pause() {}
}

/// What was asked for and not there.
public struct Shortfall: Sendable, BitwiseCopyable {
  public let order: Order
  public let zoneLimit: ZoneKind
  public let kind: FrameKind
  public let mobility: Mobility
  /// What may be done about it.
  public let flags: RequestFlags

  public init(
    order: Order, zoneLimit: ZoneKind, kind: FrameKind, mobility: Mobility = .unmovable,
    flags: RequestFlags = .kernel
  ) {
    self.order = order
    self.zoneLimit = zoneLimit
    self.kind = kind
    self.mobility = mobility
    self.flags = flags
  }

  public init(_ request: FrameRequest) {
    self.init(
      order: request.order, zoneLimit: request.zoneLimit, kind: request.kind,
      mobility: request.mobility, flags: request.flags)
  }

  /// Whether a process may be killed for it: not for a large block, which a kill would hardly
  /// make, nor for one who would rather fail, nor from within a file system.
  ///
  /// Linux: `__alloc_pages_may_oom()`, `out_of_memory()`.
  public var mayKill: Bool {
    order <= CPUZoneLists.largestOrder && flags.contains(.mayCallFileSystems)
      && !flags.contains(.ratherFails) && !flags.contains(.triesOnce) && zoneLimit >= .normal
  }
}

/// What came of an attempt to free memory.
public enum Relief: Sendable, BitwiseCopyable { case progress, none }

/// For who can bear a failure, or must not wait.
public struct NoRelief: PressureRelief, Sendable, BitwiseCopyable {
  public init() {}
  public func relieve(_ shortfall: Shortfall) -> Relief { .none }
}
