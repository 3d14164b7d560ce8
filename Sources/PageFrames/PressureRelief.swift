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
}

/// What was asked for and not there.
public struct Shortfall: Sendable, BitwiseCopyable {
  public let order: Order
  public let zoneLimit: ZoneKind
  public let kind: FrameKind

  public init(order: Order, zoneLimit: ZoneKind, kind: FrameKind) {
    self.order = order
    self.zoneLimit = zoneLimit
    self.kind = kind
  }
}

/// What came of an attempt to free memory.
public enum Relief: Sendable, BitwiseCopyable { case progress, none }

/// For who can bear a failure, or must not wait.
public struct NoRelief: PressureRelief, Sendable, BitwiseCopyable {
  public init() {}
  public func relieve(_ shortfall: Shortfall) -> Relief { .none }
}
