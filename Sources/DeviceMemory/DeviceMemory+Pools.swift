// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames

/// Blocks of coherent memory that are smaller than a page.
///
/// Free blocks are a list through the blocks themselves, the one that was freed last first.
///
/// Linux: `mm/dmapool.c`.
extension DeviceMemory {
  /// Makes a pool; memory comes with the first block.
  ///
  /// Linux: `dma_pool_create()`.
  ///
  /// - Parameters:
  ///   - alignment: of each block, a power of two.
  ///   - boundary: a power of two that no block crosses; zero where the pages alone decide.
  /// - Throws: `zeroSize`; `invalidArgument` for an alignment or boundary that cannot be;
  ///   `tooLarge`; `outOfMemory`.
  public func makePool(
    for device: Reference<Device>, blocks size: ByteCount, alignment: ByteCount = ByteCount(8),
    boundary: ByteCount = .zero
  ) throws(DeviceMemoryError) -> Reference<DevicePool> {
    guard size > .zero else { throw .zeroSize }
    guard size <= Order.max.pageCount.bytes else { throw .tooLarge }
    guard isPowerOfTwo(alignment) else { throw .invalidArgument }
    let step = max(alignment.value, 8)
    let rounded = (size.value + step - 1) & ~(step - 1)
    let pageBytes = ByteCount(max(rounded, PageSize.base.bytes)).pagesRoundedUp.bytes
    let limit = boundary == .zero ? pageBytes : boundary
    guard isPowerOfTwo(limit) || boundary == .zero, limit.value >= rounded else {
      throw .invalidArgument
    }
    do throws(AllocationError) {
      let pool = try heap.allocate(
        DevicePool(
          device: device, blockByteCount: ByteCount(rounded), pageByteCount: pageBytes,
          boundary: min(limit, pageBytes)))
      heap[pool].next = heap[device].firstPool
      heap[device].firstPool = Link(pool)
      return pool
    } catch {
      throw .outOfMemory
    }
  }

  /// Takes a block, not zeroed unless it is new. Linux: `dma_pool_alloc()`.
  ///
  /// - Throws: `outOfMemory`.
  public func allocate(
    from pool: Reference<DevicePool>
  ) throws(DeviceMemoryError) -> CoherentMemory {
    if heap[pool].firstFree == 0 { try grow(pool) }
    let address = heap[pool].firstFree
    let memory = machine.directMap.block(
      at: PhysicalAddress(address), byteCount: heap[pool].blockByteCount)
    heap[pool].firstFree = memory.load(UInt64.self, at: 0)
    memory.store(0 as UInt64, at: 0)
    heap[pool].usedCount += 1
    return CoherentMemory(
      address: DeviceAddress(address), byteCount: heap[pool].blockByteCount, memory: memory)
  }

  /// Gives a block back. Linux: `dma_pool_free()`.
  ///
  /// - Throws: `notMapped` for what is no block of the pool or, where misuse is looked for, is
  ///   free already; nothing is changed then.
  public func free(
    _ address: DeviceAddress, to pool: Reference<DevicePool>
  ) throws(DeviceMemoryError) {
    guard isBlock(address, of: pool) else { throw misuse(.notMapped) }
    if state.value.isChecking, isFree(address, in: pool) { throw misuse(.notMapped) }
    machine.directMap.store(heap[pool].firstFree, at: address.physical)
    heap[pool].firstFree = address.value
    heap[pool].usedCount -= 1
  }

  /// Ends a pool, with all its memory. Linux: `dma_pool_destroy()`.
  ///
  /// - Throws: `busy` while a block is in use.
  public func destroy(_ pool: Reference<DevicePool>) throws(DeviceMemoryError) {
    guard heap[pool].usedCount == 0 else { throw misuse(.busy) }
    let device = heap[pool].device
    var next = heap[device].first.reference
    while let mapping = next {
      next = heap[mapping].next.reference
      if heap[mapping].pool.reference == pool { takeBack(mapping, of: device) }
    }
    unlink(pool, of: device)
    heap.free(pool)
  }

  private func unlink(_ pool: Reference<DevicePool>, of device: Reference<Device>) {
    if heap[device].firstPool.reference == pool {
      heap[device].firstPool = heap[pool].next
      return
    }
    var next = heap[device].firstPool.reference
    while let other = next {
      next = heap[other].next.reference
      if next == pool { heap[other].next = heap[pool].next }
    }
  }

  public func describe(_ pool: Reference<DevicePool>) -> DevicePool { heap[pool] }

  private func isPowerOfTwo(_ size: ByteCount) -> Bool {
    size.value > 0 && size.value & (size.value - 1) == 0
  }

  /// Cuts a new page into free blocks, the lowest to be given first.
  private func grow(_ pool: Reference<DevicePool>) throws(DeviceMemoryError) {
    let page = try allocateCoherent(
      for: heap[pool].device, heap[pool].pageByteCount, .pool, pool: Link(pool))
    var last: UInt64 = 0
    var offset: UInt64 = 0
    while let place = nextBlock(of: pool, from: offset) {
      let address = page.address.value + place
      if last == 0 {
        heap[pool].firstFree = address
      } else {
        machine.directMap.store(address, at: PhysicalAddress(last))
      }
      last = address
      offset = place + heap[pool].blockByteCount.value
      heap[pool].blockCount += 1
    }
  }

  /// Where the next block of a page begins, from an offset on.
  private func nextBlock(of pool: Reference<DevicePool>, from offset: UInt64) -> UInt64? {
    let size = heap[pool].blockByteCount.value
    let boundary = heap[pool].boundary.value
    var place = offset
    if place / boundary != (place + size - 1) / boundary {
      place = (place / boundary + 1) * boundary
    }
    return place + size <= heap[pool].pageByteCount.value ? place : nil
  }

  private func isBlock(_ address: DeviceAddress, of pool: Reference<DevicePool>) -> Bool {
    var next = heap[heap[pool].device].first.reference
    while let mapping = next {
      let start = heap[mapping].address.value
      if heap[mapping].pool.reference == pool, address.value >= start,
        address.value < start + heap[mapping].byteCount.value
      {
        let offset = (address.value - start) % heap[pool].boundary.value
        return offset % heap[pool].blockByteCount.value == 0
          && offset + heap[pool].blockByteCount.value <= heap[pool].boundary.value
      }
      next = heap[mapping].next.reference
    }
    return false
  }

  private func isFree(_ address: DeviceAddress, in pool: Reference<DevicePool>) -> Bool {
    var next = heap[pool].firstFree
    while next != 0 {
      if next == address.value { return true }
      next = machine.directMap.load(UInt64.self, at: PhysicalAddress(next))
    }
    return false
  }
}
