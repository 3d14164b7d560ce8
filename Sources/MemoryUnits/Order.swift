// SPDX-License-Identifier: Apache-2.0

/// The size of a block of frames as a power of two: order 3 is 8 frames.
///
/// Linux: `unsigned int order`, at most `MAX_PAGE_ORDER`.
public struct Order: Hashable, Comparable, Sendable, BitwiseCopyable {
  public let value: UInt8

  /// - Precondition: at most `Order.max`; `init(exactly:)` is for what a caller asks.
  public init(_ value: UInt8) {
    precondition(value <= 10, "order beyond the largest block")
    self.value = value
  }

  /// The order, or nil where it is beyond the largest block.
  public init?(exactly value: Int) {
    guard (0...10).contains(value) else { return nil }
    self.value = UInt8(value)
  }

  /// The smallest order that holds so many pages, or nil beyond the largest block.
  ///
  /// Linux: `get_order()`.
  public init?(holding count: PageCount) {
    guard count.value > 0, count.value <= 1024 else { return nil }
    self.value = UInt8(Int.bitWidth - (count.value - 1).leadingZeroBitCount)
  }

  public static var zero: Self { Self(0) }
  /// Linux: `MAX_PAGE_ORDER`.
  public static var max: Self { Self(10) }
  /// The number of orders.
  public static var count: Int { 11 }

  public var pageCount: PageCount { PageCount(1 << Int(value)) }

  public static func < (left: Self, right: Self) -> Bool { left.value < right.value }
}
