// SPDX-License-Identifier: Apache-2.0

import MemoryEvents
import MemoryUnits

/// What somebody wants of the page allocator.
///
/// Linux: `gfp_t` and `order`.
public struct FrameRequest: Sendable, BitwiseCopyable {
  /// What the bytes shall be.
  public enum Content: UInt8, Sendable, BitwiseCopyable {
    /// Linux: `__GFP_ZERO`.
    case zeroed
    case uninitialized
  }

  /// How far into the reserves it may reach.
  public enum Urgency: UInt8, Sendable, BitwiseCopyable {
    /// Down to the minimum mark.
    case normal
    /// Half of the minimum too. Linux: `__GFP_HIGH`.
    case high
    /// All there is: for who frees memory by it. Linux: `__GFP_MEMALLOC`.
    case reserve
  }

  public var order: Order
  public var kind: FrameKind
  /// The highest zone that it may come from; lower ones are tried after it.
  public var zoneLimit: ZoneKind
  /// One of the first three.
  public var mobility: Mobility
  public var flags: RequestFlags

  public init(
    order: Order = .zero, kind: FrameKind = .plain, zoneLimit: ZoneKind = .normal,
    mobility: Mobility = .unmovable, content: Content = .uninitialized,
    urgency: Urgency = .normal, flags: RequestFlags = .kernel
  ) {
    self.order = order
    self.kind = kind
    self.zoneLimit = zoneLimit
    self.mobility = mobility
    var flags = flags
    if content == .zeroed { flags.formUnion(.zeroed) }
    if urgency == .high { flags.formUnion(.high) }
    if urgency == .reserve { flags.formUnion(.reserve) }
    self.flags = flags
  }

  public var content: Content { flags.contains(.zeroed) ? .zeroed : .uninitialized }

  public var urgency: Urgency {
    if flags.contains(.reserve) { return .reserve }
    return flags.contains(.high) ? .high : .normal
  }

  /// The whole request as one number. Linux: `gfp_mask`, as a failure's report prints it.
  public var mode: UInt32 {
    var mode = flags.rawValue
    switch zoneLimit {
    case .dma: mode |= 1 << 0
    case .dma32: mode |= 1 << 2
    case .normal: break
    case .highMemory: mode |= 1 << 1
    }
    if mobility == .movable { mode |= 1 << 3 }
    if mobility == .reclaimable { mode |= 1 << 4 }
    return mode
  }
}
