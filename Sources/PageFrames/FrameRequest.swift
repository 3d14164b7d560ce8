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
  public var mobility: Mobility
  public var content: Content
  public var urgency: Urgency

  public init(
    order: Order = .zero, kind: FrameKind = .plain, zoneLimit: ZoneKind = .normal,
    mobility: Mobility = .unmovable, content: Content = .uninitialized,
    urgency: Urgency = .normal
  ) {
    self.order = order
    self.kind = kind
    self.zoneLimit = zoneLimit
    self.mobility = mobility
    self.content = content
    self.urgency = urgency
  }
}
