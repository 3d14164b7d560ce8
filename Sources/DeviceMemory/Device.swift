// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import MemoryUnits

/// What reads and writes memory by itself, with what it has of it.
///
/// Linux: the part of `struct device` that DMA uses.
public struct Device: HeapObject {
  public static var cacheName: StaticString { "device" }
  public static var cacheIndex: Int { 14 }

  /// For reports: the driver's number of it.
  public let number: UInt32
  /// Of transfers. Linux: `dev->dma_mask`.
  public internal(set) var mask: AddressMask
  /// Of memory that both use at once. Linux: `dev->coherent_dma_mask`.
  public internal(set) var coherentMask: AddressMask
  /// Pages of coherent memory that it has.
  public internal(set) var coherentPageCount = PageCount.zero
  /// Transfers that are mapped now.
  public internal(set) var transferCount = 0
  /// Those of them that go through bounce buffers.
  public internal(set) var bouncedCount = 0
  /// What it has, the latest first: coherent memory, and where misuse is looked for transfers.
  var first = Link<DeviceMapping>.none
  /// Its pools, the latest first.
  var firstPool = Link<DevicePool>.none

  init(number: UInt32, mask: AddressMask) {
    self.number = number
    self.mask = mask
    coherentMask = mask
  }
}

/// Something that a device has.
///
/// Linux: `struct dma_debug_entry`.
struct DeviceMapping: HeapObject {
  static var cacheName: StaticString { "dma_debug_entry" }
  static var cacheIndex: Int { 16 }

  enum Kind: UInt8, BitwiseCopyable { case coherent, transfer, pool }

  let kind: Kind
  let address: DeviceAddress
  let byteCount: ByteCount
  let direction: TransferDirection
  /// Of a pool's page: which.
  var pool = Link<DevicePool>.none
  var next = Link<DeviceMapping>.none
  var previous = Link<DeviceMapping>.none

  init(
    _ kind: Kind, _ address: DeviceAddress, _ byteCount: ByteCount,
    _ direction: TransferDirection = .bothWays
  ) {
    self.kind = kind
    self.address = address
    self.byteCount = byteCount
    self.direction = direction
  }
}

/// Small blocks of coherent memory, all of one size.
///
/// Linux: `struct dma_pool`.
public struct DevicePool: HeapObject {
  public static var cacheName: StaticString { "dma_pool" }
  public static var cacheIndex: Int { 18 }

  public let device: Reference<Device>
  /// Of a block, rounded up to the alignment.
  public let blockByteCount: ByteCount
  /// Of what is had from the page allocator at a time.
  let pageByteCount: ByteCount
  /// No block crosses a multiple of this.
  let boundary: ByteCount
  /// The device's next pool.
  var next = Link<DevicePool>.none
  /// The free block that was freed last, 0 for none; each holds the address of the next.
  var firstFree: UInt64 = 0
  public internal(set) var blockCount = 0
  public internal(set) var usedCount = 0

  init(
    device: Reference<Device>, blockByteCount: ByteCount, pageByteCount: ByteCount,
    boundary: ByteCount
  ) {
    self.device = device
    self.blockByteCount = blockByteCount
    self.pageByteCount = pageByteCount
    self.boundary = boundary
  }
}
