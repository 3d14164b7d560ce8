// SPDX-License-Identifier: Apache-2.0

/// A number of pages or frames of the base size.
public struct PageCount: Hashable, Comparable, Sendable, BitwiseCopyable {
  public var value: Int

  public init(_ value: Int) { self.value = value }

  public static var zero: Self { Self(0) }

  public var bytes: ByteCount { ByteCount(UInt64(value) << PageSize.base.shift) }

  /// Linux's unit in /proc: 1,024 bytes.
  public var kibibytes: UInt64 { UInt64(value) << 2 }

  public static func < (left: Self, right: Self) -> Bool { left.value < right.value }
  public static func + (left: Self, right: Self) -> Self { Self(left.value + right.value) }
  public static func - (left: Self, right: Self) -> Self { Self(left.value - right.value) }
  public static func += (left: inout Self, right: Self) { left.value += right.value }
  public static func -= (left: inout Self, right: Self) { left.value -= right.value }
}
