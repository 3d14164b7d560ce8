// SPDX-License-Identifier: Apache-2.0

import MemoryUnits
import PageFrames

/// How far a device's addresses reach.
///
/// Linux: `DMA_BIT_MASK()`.
public struct AddressMask: Equatable, Sendable, BitwiseCopyable {
  public let bits: UInt8

  /// - Precondition: 1 to 64 bits.
  public init(bits: UInt8) {
    precondition(bits > 0 && bits <= 64, "a mask without bits or with too many")
    self.bits = bits
  }

  public static var isa: Self { Self(bits: 24) }
  public static var bits32: Self { Self(bits: 32) }
  public static var all: Self { Self(bits: 64) }

  /// The highest address that it reaches.
  public var last: UInt64 { UInt64.max &>> UInt64(64 &- bits) }

  /// Whether it reaches every byte of a range.
  func reaches(_ start: UInt64, _ size: ByteCount) -> Bool {
    start &+ (size.value &- 1) <= last && start &+ (size.value &- 1) >= start
  }

  /// The highest zone worth a try: what lies above is surely out of reach.
  ///
  /// Linux: `dma_direct_optimal_gfp_mask()`.
  var firstZone: ZoneKind {
    if bits <= 24 { return .dma }
    return bits <= 32 ? .dma32 : .normal
  }
}

/// Who reads and who writes the memory of a transfer.
///
/// Linux: `enum dma_data_direction`.
public enum TransferDirection: UInt8, Sendable, BitwiseCopyable {
  case bothWays
  case toDevice
  case fromDevice

  /// Whether the device may write.
  var isWritten: Bool { self != .toDevice }

  /// Whether a part that is handed over in one direction fits a mapping for another.
  func covers(_ other: Self) -> Bool { self == .bothWays || self == other }
}

/// An address as a device uses it: here the physical one, or that of a bounce buffer.
///
/// Linux: `dma_addr_t`.
public struct DeviceAddress: Equatable, Sendable, BitwiseCopyable {
  public let value: UInt64

  public init(_ value: UInt64) { self.value = value }

  /// Where the memory is that the device reaches by it.
  public var physical: PhysicalAddress { PhysicalAddress(value) }
}

/// Why a device's memory cannot be had, or cannot be given back.
public enum DeviceMemoryError: Error, Sendable, BitwiseCopyable {
  /// Nothing is free where the device reaches. Linux: `NULL`, `-ENOMEM`.
  case outOfMemory
  /// Nothing was asked for.
  case zeroSize
  /// More than the largest block, or than a bounce buffer can be.
  case tooLarge
  /// No memory at all lies where the mask reaches. Linux: `-EIO` of `dma_set_mask()`.
  case unreachable
  /// All bounce buffers are in use: it may work later. Linux: `swiotlb buffer is full`.
  case noBounceBuffer
  /// Size, alignment or boundary of a pool that cannot be.
  case invalidArgument

  // Misuse

  /// Nothing that the device has begins there: never had, or given back already.
  case notMapped
  /// It is as large as something else. Linux: `freed with different size`.
  case otherSize
  /// It was had for another direction. Linux: `mapped with different direction`.
  case otherDirection
  /// It was had by another verb. Linux: `freed with wrong function`.
  case otherKind
  /// A synchronised part reaches out of what is mapped.
  case outside
  /// The kernel's text or constants are not for devices. Linux: `check_for_illegal_area()`.
  case kernelImage
  /// Something of it is still in use.
  case busy
}
