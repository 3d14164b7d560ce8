// SPDX-License-Identifier: Apache-2.0

/// A size that one page-table entry can map.
public struct PageSize: Hashable, Sendable, BitwiseCopyable {
  /// The size as a power of two.
  public let shift: UInt64

  public init(shift: UInt64) { self.shift = shift }

  /// 4 KiB: the unit of every count. Linux: `PAGE_SIZE`.
  public static var base: Self { Self(shift: 12) }

  // Masked: the checked shift by 64 bits needs an array on 32-bit machines. It is below 64.
  public var bytes: UInt64 { 1 &<< shift }
}
