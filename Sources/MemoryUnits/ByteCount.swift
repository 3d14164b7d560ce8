// SPDX-License-Identifier: Apache-2.0

/// A number of bytes.
public struct ByteCount: Hashable, Comparable, Sendable, BitwiseCopyable {
  public let value: UInt64

  public init(_ value: UInt64) { self.value = value }

  public static var zero: Self { Self(0) }

  /// The pages that so many bytes need, counting a begun one as whole. Linux: `PAGE_ALIGN()`.
  public var pagesRoundedUp: PageCount {
    PageCount(Int(value >> PageSize.base.shift) + (value & (PageSize.base.bytes - 1) == 0 ? 0 : 1))
  }

  /// The whole pages in so many bytes.
  public var wholePages: PageCount { PageCount(Int(value >> PageSize.base.shift)) }

  public static func < (left: Self, right: Self) -> Bool { left.value < right.value }
  public static func + (left: Self, right: Self) -> Self { Self(left.value + right.value) }
  public static func - (left: Self, right: Self) -> Self { Self(left.value - right.value) }
}
