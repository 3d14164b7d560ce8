// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames

/// Memory that every device of a mask reaches, in slots, and what each stands for.
///
/// Linux: `struct io_tlb_pool`, `struct io_tlb_slot`.
struct BouncePool: BitwiseCopyable {
  let first: PageFrameNumber
  let order: Order
  /// By slot; the first of a transfer has all of it.
  let slots: ResidentArray<BounceSlot>

  /// Linux: `IO_TLB_SIZE`.
  static var slotByteCount: UInt64 { 2048 }
  /// The most that one transfer can have. Linux: `IO_TLB_SEGSIZE`.
  static var longestRun: Int { 128 }
  /// 1 MiB, where there is so much in a row.
  static var largestOrder: Order { Order(8) }
  static var smallestOrder: Order { Order(6) }

  var byteCount: ByteCount { order.pageCount.bytes }

  func contains(_ address: DeviceAddress) -> Bool {
    address.value >= first.address.value
      && address.value < first.address.value + byteCount.value
  }

  func slot(of address: DeviceAddress) -> Int {
    Int((address.value - first.address.value) / Self.slotByteCount)
  }

  func address(of slot: Int) -> DeviceAddress {
    DeviceAddress(first.address.value + UInt64(slot) * Self.slotByteCount)
  }

  static func slotCount(for size: ByteCount) -> Int {
    Int((size.value + slotByteCount - 1) / slotByteCount)
  }

  /// The first of so many free slots in a row.
  func firstRun(of count: Int) -> Int? {
    var start = 0
    var slot = 0
    while slot < slots.count {
      if slots[slot].isUsed { start = slot + 1 }
      slot += 1
      if slot - start == count { return start }
    }
    return nil
  }
}

/// A slot of a bounce buffer.
struct BounceSlot: BitwiseCopyable {
  var isUsed = false
  var direction = TransferDirection.bothWays
  /// Of a transfer's first slot, otherwise 0.
  var byteCount: UInt32 = 0
  var device: UInt32 = 0
  /// The memory that it stands for.
  var original: UInt64 = 0
}

enum BounceCopy { case toBuffer, fromBuffer }

extension DeviceMemory {
  /// Sends every transfer through a bounce buffer, which it makes ready. Linux: `swiotlb=force`.
  ///
  /// - Throws: `outOfMemory`.
  public func forceBounce() throws(DeviceMemoryError) {
    try makePool(.bits32)
    state.value.forcesBounce = true
  }

  /// Transfers that were ever copied.
  public var bouncedTransferCount: UInt64 { state.value.bouncedTransferCount }

  /// The largest transfer that surely works. Linux: `dma_max_mapping_size()`.
  public var largestBounce: ByteCount {
    ByteCount(UInt64(BouncePool.longestRun) * BouncePool.slotByteCount)
  }

  func isBounced(_ address: DeviceAddress) -> Bool {
    state.value.bouncePages > .zero && pool(of: address) != nil
  }

  /// Finds slots, and copies what is to be transferred into them.
  ///
  /// The bytes are copied whatever the direction: a device that writes less than it might must
  /// not leave what was in the buffer before.
  ///
  /// Linux: `swiotlb_tbl_map_single()`.
  func bounce(
    _ start: PhysicalAddress, _ size: ByteCount, _ direction: TransferDirection,
    _ device: Reference<Device>
  ) throws(DeviceMemoryError) -> DeviceAddress {
    guard size <= largestBounce else { throw .tooLarge }
    let count = BouncePool.slotCount(for: size)
    let mask = heap[device].mask
    var found = findRun(of: count, mask)
    if found == nil {
      try makePool(mask)
      found = findRun(of: count, mask)
    }
    guard let found, let pool = state.value.pools[found.pool] else { throw .noBounceBuffer }
    for slot in found.slot..<found.slot + count { pool.slots[slot].isUsed = true }
    pool.slots[found.slot] = BounceSlot(
      isUsed: true, direction: direction, byteCount: UInt32(size.value), device: device.raw,
      original: start.value)
    state.value.usedSlotCount += count
    state.value.bouncedTransferCount += 1
    heap[device].bouncedCount += 1
    let address = pool.address(of: found.slot)
    try copyBounced(address, .zero, size, .toBuffer)
    return address
  }

  /// Copies back what a device has written, and frees the slots.
  ///
  /// Linux: `swiotlb_tbl_unmap_single()`.
  func endBounce(
    _ address: DeviceAddress, _ size: ByteCount, _ direction: TransferDirection,
    _ device: Reference<Device>
  ) throws(DeviceMemoryError) {
    guard let pool = pool(of: address) else { throw misuse(.notMapped) }
    let slot = pool.slot(of: address)
    let first = pool.slots[slot]
    guard first.byteCount > 0, first.device == device.raw, pool.address(of: slot) == address
    else { throw misuse(.notMapped) }
    guard UInt64(first.byteCount) == size.value else { throw misuse(.otherSize) }
    guard first.direction == direction else { throw misuse(.otherDirection) }
    if direction.isWritten { try copyBounced(address, .zero, size, .fromBuffer) }
    free(slot, of: pool)
    heap[device].bouncedCount -= 1
  }

  /// Frees the slots of a device that is gone, without a copy.
  func releaseBounced(of device: Reference<Device>) {
    for index in state.value.pools.indices {
      guard let pool = state.value.pools[index] else { continue }
      for slot in 0..<pool.slots.count
      where pool.slots[slot].byteCount > 0 && pool.slots[slot].device == device.raw {
        free(slot, of: pool)
      }
    }
  }

  private func free(_ slot: Int, of pool: BouncePool) {
    let count = BouncePool.slotCount(for: ByteCount(UInt64(pool.slots[slot].byteCount)))
    for index in slot..<slot + count { pool.slots[index] = BounceSlot() }
    state.value.usedSlotCount -= count
  }

  /// Copies a part of a transfer between its memory and its buffer.
  func copyBounced(
    _ address: DeviceAddress, _ offset: ByteCount, _ size: ByteCount, _ way: BounceCopy
  ) throws(DeviceMemoryError) {
    guard let pool = pool(of: address) else { throw misuse(.notMapped) }
    let first = pool.slots[pool.slot(of: address)]
    guard offset.value + size.value <= UInt64(first.byteCount) else { throw misuse(.outside) }
    let buffer = machine.directMap.block(
      at: address.physical + offset, byteCount: size)
    var done = 0
    while done < Int(size.value) {
      let place = PhysicalAddress(first.original + offset.value + UInt64(done))
      let inFrame = Int(place.offsetInFrame.value)
      let count = min(Int(size.value) - done, 4096 - inFrame)
      machine.withBytes(of: place.frame) { bytes in
        switch way {
        case .toBuffer: buffer.copy(from: bytes, at: inFrame, to: done, byteCount: count)
        case .fromBuffer: bytes.copy(from: buffer, at: done, to: inFrame, byteCount: count)
        }
      }
      done += count
    }
  }

  private func pool(of address: DeviceAddress) -> BouncePool? {
    for index in state.value.pools.indices {
      if let pool = state.value.pools[index], pool.contains(address) { return pool }
    }
    return nil
  }

  private func findRun(
    of count: Int, _ mask: AddressMask
  ) -> (pool: Int, slot: Int)? {
    for index in state.value.pools.indices {
      guard let pool = state.value.pools[index],
        mask.reaches(pool.first.address.value, pool.byteCount)
      else { continue }
      if let slot = pool.firstRun(of: count) { return (index, slot) }
    }
    return nil
  }

  private var freePoolIndex: Int? {
    for index in state.value.pools.indices where state.value.pools[index] == nil { return index }
    return nil
  }

  /// Makes one more pool that a mask reaches. Linux: `swiotlb_dyn_alloc()`.
  private func makePool(_ mask: AddressMask) throws(DeviceMemoryError) {
    guard let index = freePoolIndex else { throw .noBounceBuffer }
    let zone: ZoneKind = mask.bits >= 32 ? .dma32 : .dma
    var order = BouncePool.largestOrder
    while true {
      let request = FrameRequest(order: order, kind: .dma, zoneLimit: zone)
      if let pool = makePool(request, mask) {
        state.value.pools[index] = pool
        state.value.bouncePages += order.pageCount
        return
      }
      guard order > BouncePool.smallestOrder else { throw .outOfMemory }
      order = Order(order.value - 1)
    }
  }

  private func makePool(_ request: FrameRequest, _ mask: AddressMask) -> BouncePool? {
    do throws(AllocationError) {
      let first = try frames.allocate(request).surrender()
      let byteCount = request.order.pageCount.bytes
      let count = Int(byteCount.value / BouncePool.slotByteCount)
      let tableBytes = ByteCount(UInt64(count * MemoryLayout<BounceSlot>.stride))
      guard mask.reaches(first.address.value, byteCount),
        let tableOrder = Order(holding: tableBytes.pagesRoundedUp)
      else {
        frames.free(.adopt(first, request.order))
        return nil
      }
      let table: PageFrameNumber
      do throws(AllocationError) {
        table = try frames.allocate(FrameRequest(order: tableOrder)).surrender()
      } catch {
        frames.free(.adopt(first, request.order))
        return nil
      }
      let block = machine.directMap.block(
        at: table.address, byteCount: tableOrder.pageCount.bytes)
      state.value.bounceTablePages += tableOrder.pageCount
      return BouncePool(
        first: first, order: request.order,
        slots: ResidentArray(repeating: BounceSlot(), count: count, in: block))
    } catch {
      return nil
    }
  }
}
