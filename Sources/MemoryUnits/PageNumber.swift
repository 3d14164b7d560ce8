// SPDX-License-Identifier: Apache-2.0

/// The number of a virtual page: its address divided by the page size.
public struct PageNumber: Hashable, Comparable, Sendable, BitwiseCopyable {
  public let value: UInt64

  public init(_ value: UInt64) { self.value = value }

  /// Where the page's first byte is.
  public var address: VirtualAddress { VirtualAddress(value << PageSize.base.shift) }

  public static func < (left: Self, right: Self) -> Bool { left.value < right.value }

  public static func + (page: Self, count: PageCount) -> Self {
    Self(page.value + UInt64(count.value))
  }

  /// - Precondition: `left` is not below `right`.
  public static func - (left: Self, right: Self) -> PageCount {
    PageCount(Int(left.value - right.value))
  }
}
