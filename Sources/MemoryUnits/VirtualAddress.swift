// SPDX-License-Identifier: Apache-2.0

/// An address as a program or the kernel uses it, before translation.
///
/// Linux: `unsigned long addr`.
public struct VirtualAddress: Hashable, Comparable, Sendable, BitwiseCopyable {
  public let value: UInt64

  public init(_ value: UInt64) { self.value = value }

  /// The page that the address lies in.
  public var page: PageNumber { PageNumber(value >> PageSize.base.shift) }

  /// The distance from the start of its page.
  public var offsetInPage: ByteCount { ByteCount(value & (PageSize.base.bytes - 1)) }

  public var isPageAligned: Bool { value & (PageSize.base.bytes - 1) == 0 }

  /// The address, or the start of its page if it lies inside one.
  public var roundedDownToPage: Self { Self(value & ~(PageSize.base.bytes - 1)) }

  /// The address moved on by a distance, or nil where that passes the last address.
  public func advanced(by distance: ByteCount) -> Self? {
    let (sum, overflow) = value.addingReportingOverflow(distance.value)
    return overflow ? nil : Self(sum)
  }

  public static func < (left: Self, right: Self) -> Bool { left.value < right.value }

  /// - Precondition: the sum is an address; `advanced(by:)` is for what a program passes.
  public static func + (address: Self, distance: ByteCount) -> Self {
    Self(address.value + distance.value)
  }

  /// - Precondition: `left` is not below `right`.
  public static func - (left: Self, right: Self) -> ByteCount {
    ByteCount(left.value - right.value)
  }
}
