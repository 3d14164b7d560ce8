// SPDX-License-Identifier: Apache-2.0

/// An address of RAM or of a device, as the memory bus sees it: 64 bits on every architecture,
/// since PAE reaches beyond 4 GiB.
///
/// Linux: `phys_addr_t`.
public struct PhysicalAddress: Hashable, Comparable, Sendable, BitwiseCopyable {
  public let value: UInt64

  public init(_ value: UInt64) { self.value = value }

  /// The frame that the address lies in. Linux: `PHYS_PFN()`.
  public var frame: PageFrameNumber {
    PageFrameNumber(UInt32(truncatingIfNeeded: value >> PageSize.base.shift))
  }

  /// The distance from the start of its frame.
  public var offsetInFrame: ByteCount { ByteCount(value & (PageSize.base.bytes - 1)) }

  public static func < (left: Self, right: Self) -> Bool { left.value < right.value }

  public static func + (address: Self, distance: ByteCount) -> Self {
    Self(address.value + distance.value)
  }

  /// - Precondition: `left` is not below `right`.
  public static func - (left: Self, right: Self) -> ByteCount {
    ByteCount(left.value - right.value)
  }
}
