// SPDX-License-Identifier: Apache-2.0

import CProcessor
import Machine
import MemoryUnits

/// A disk behind virtio-mmio: its registers, and one page of rings.
///
/// Each tag has its own descriptor for ever, which leads to the tag's `BlockRequest`; so a
/// transfer is handed over by writing one ring place.
///
///     0     128 descriptors              (2 KiB)
///     2048  ring of tags for the device  (flags, index, 128 tags)
///     2560  ring of tags done            (flags, index, 128 × (tag, bytes))
///
/// Linux: `drivers/block/virtio_blk.c`, `drivers/virtio/virtio_mmio.c`; virtio 1.1, 2.6 and 5.2.
struct BlockDevice: BitwiseCopyable {
  /// Virtual addresses.
  private var registers: UInt64 = 0
  private var rings: UInt64 = 0
  /// Transfers ever handed over, and ever found done; 16 bits, as the rings count.
  private var submittedCount: UInt16 = 0
  private var doneCount: UInt16 = 0

  private static var queueLength: UInt64 { 128 }
  private static var available: UInt64 { 2048 }
  private static var used: UInt64 { 2560 }

  /// The first of the machine's transports. Linux: `virtio_mmio.device=512@0xfeb00000:5`.
  static var firstSlot: PhysicalAddress { PhysicalAddress(0xFEB0_0000) }
  static var slotCount: UInt64 { 8 }

  init() {}

  /// The disk in a slot, or nil if there is none; not yet usable.
  init?(slot: UInt64) {
    registers = AddressLayout.directMap + Self.firstSlot.value + slot * 0x200
    guard load(0x000) == 0x7472_6976, load(0x004) == 2, load(0x008) == 2 else { return nil }
  }

  /// Makes the disk ready for transfers.
  ///
  /// - Parameters:
  ///   - rings: physical address of a page for them.
  ///   - requests: physical address of the tags' requests.
  /// - Returns: false if the device does not offer what is needed.
  mutating func start(rings page: UInt64, requests: UInt64) -> Bool {
    rings = AddressLayout.directMap + page
    store(0, at: 0x070)
    store(1, at: 0x070)
    store(3, at: 0x070)
    store(1, at: 0x024)
    store(1, at: 0x020)  // VIRTIO_F_VERSION_1
    store(0, at: 0x014)
    let flush = load(0x010) & 1 << 9  // VIRTIO_BLK_F_FLUSH, where the device has a cache
    store(0, at: 0x024)
    store(1 << 28 | flush, at: 0x020)  // VIRTIO_F_INDIRECT_DESC
    store(11, at: 0x070)
    guard load(0x070) & 8 != 0 else { return false }
    fillRings(requests: requests)
    store(0, at: 0x030)
    store(UInt32(Self.queueLength), at: 0x038)
    storeAddress(page, at: 0x080)
    storeAddress(page + Self.available, at: 0x090)
    storeAddress(page + Self.used, at: 0x0A0)
    store(1, at: 0x044)
    store(15, at: 0x070)
    return true
  }

  /// The disk's size.
  var byteCount: ByteCount {
    ByteCount((UInt64(load(0x100)) | UInt64(load(0x104)) << 32) &* 512)
  }

  /// Hands over the request of a tag.
  mutating func submit(tag: UInt16) {
    let slot = UInt64(submittedCount) & (Self.queueLength - 1)
    shared_store16(rings &+ Self.available &+ 4 &+ slot &* 2, tag)
    submittedCount &+= 1
    shared_store16(rings &+ Self.available &+ 2, submittedCount)
    store(0, at: 0x050)
  }

  /// Marks the requests that the host has done meanwhile.
  ///
  /// - Context: the clock is stopped; the host chooses number and order.
  mutating func collect(requests: UInt64) {
    let end = shared_load16(rings &+ Self.used &+ 2)
    while doneCount != end {
      let slot = UInt64(doneCount) & (Self.queueLength - 1)
      let tag = shared_load32(rings &+ Self.used &+ 4 &+ slot &* 8)
      BlockRequest(tag: UInt16(truncatingIfNeeded: tag), in: requests).markDone()
      doneCount &+= 1
    }
  }

  private func fillRings(requests: UInt64) {
    for tag in 0..<Self.queueLength {
      let descriptor = rings + tag * 16
      shared_store64(descriptor, requests + tag * BlockRequest.stride)
      shared_store32(descriptor + 8, 48)
      shared_store32(descriptor + 12, 4)  // VIRTQ_DESC_F_INDIRECT
    }
    shared_store16(rings + Self.available, 1)  // VIRTQ_AVAIL_F_NO_INTERRUPT
  }

  private func load(_ offset: UInt64) -> UInt32 { shared_load32(registers &+ offset) }

  private func store(_ value: UInt32, at offset: UInt64) {
    shared_store32(registers &+ offset, value)
  }

  private func storeAddress(_ address: UInt64, at offset: UInt64) {
    store(UInt32(truncatingIfNeeded: address), at: offset)
    store(UInt32(truncatingIfNeeded: address >> 32), at: offset + 4)
  }
}

/// What a disk is told of one transfer, in memory of its own per tag.
///
///     0   three descriptors: header, data, status
///     48  header: kind, sector
///     64  status, written by the host
///     68  1 once the host's ring has named the tag
struct BlockRequest {
  private let address: UInt64

  static var stride: UInt64 { 80 }

  /// - Parameter requests: virtual address of the first tag's request.
  init(tag: UInt16, in requests: UInt64) {
    address = requests &+ UInt64(tag) &* Self.stride
  }

  /// Fills in what is the same for all transfers.
  func prepare(physical: UInt64) {
    shared_store64(address, physical + 48)
    shared_store32(address + 8, 16)
    shared_store32(address + 12, 1 | 1 << 16)
    shared_store64(address + 32, physical + 64)
    shared_store32(address + 40, 1)
    shared_store32(address + 44, 2)
  }

  func fill(_ transfer: DiskTransfer) {
    shared_store64(address &+ 16, transfer.address.value)
    shared_store32(address &+ 24, UInt32(truncatingIfNeeded: transfer.byteCount.value))
    let isRead = transfer.direction == .read
    // A flush has no data: the header leads to the status.
    let isFlush = transfer.direction == .flush
    shared_store32(address &+ 12, isFlush ? 1 | 2 << 16 : 1 | 1 << 16)
    shared_store32(address &+ 28, isRead ? 3 | 2 << 16 : 1 | 2 << 16)
    shared_store32(address &+ 48, isFlush ? 4 : isRead ? 0 : 1)
    shared_store64(address &+ 56, transfer.sector)
    shared_store32(address &+ 64, 0xFF)
    shared_store32(address &+ 68, 0)
  }

  func markDone() { shared_store32(address &+ 68, 1) }

  var isDone: Bool { shared_load32(address &+ 68) != 0 }

  var hasSucceeded: Bool { shared_load32(address &+ 64) & 0xFF == 0 }
}
