// SPDX-License-Identifier: Apache-2.0

/// The number of a frame: its physical address divided by the page size.
///
/// 32 bits reach 16 TiB, which is beyond every machine that Quire boots on.
///
/// Linux: a page frame number, `pfn`.
public struct PageFrameNumber: Hashable, Comparable, Sendable, BitwiseCopyable {
  public let value: UInt32

  public init(_ value: UInt32) { self.value = value }

  /// Where the frame's first byte is. Linux: `PFN_PHYS()`.
  public var address: PhysicalAddress {
    PhysicalAddress(UInt64(value) << PageSize.base.shift)
  }

  /// The other half of the block of twice the size. Linux: `__find_buddy_pfn()`.
  public func buddy(_ order: Order) -> Self { Self(value ^ (1 << UInt32(order.value))) }

  /// Whether a block of this order may start here.
  public func isAligned(to order: Order) -> Bool {
    value & ((1 << UInt32(order.value)) - 1) == 0
  }

  public static func < (left: Self, right: Self) -> Bool { left.value < right.value }

  public static func + (frame: Self, count: PageCount) -> Self {
    Self(frame.value + UInt32(count.value))
  }

  /// - Precondition: `left` is not below `right`.
  public static func - (left: Self, right: Self) -> PageCount {
    PageCount(Int(left.value - right.value))
  }
}
