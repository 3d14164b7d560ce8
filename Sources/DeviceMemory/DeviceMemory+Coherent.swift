// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames

/// Memory that the kernel and a device use at the same time.
public struct CoherentMemory: Sendable, BitwiseCopyable {
  /// As the device is told.
  public let address: DeviceAddress
  /// Whole pages.
  public let byteCount: ByteCount
  /// As the kernel uses it.
  public let memory: MemoryBlock
}

extension DeviceMemory {
  /// Allocates zeroed memory in a row that a device reaches, in whole pages.
  ///
  /// The zones are tried from the highest that the device's mask could reach downwards, as long
  /// as what comes from them lies too high.
  ///
  /// Linux: `dma_alloc_coherent()`.
  ///
  /// - Throws: `zeroSize`; `tooLarge` for more than the largest block; `outOfMemory`.
  public func allocateCoherent(
    for device: Reference<Device>, _ size: ByteCount
  ) throws(DeviceMemoryError) -> CoherentMemory {
    try allocateCoherent(for: device, size, .coherent, pool: .none)
  }

  func allocateCoherent(
    for device: Reference<Device>, _ size: ByteCount, _ kind: DeviceMapping.Kind,
    pool: Link<DevicePool>
  ) throws(DeviceMemoryError) -> CoherentMemory {
    guard size > .zero else { throw .zeroSize }
    guard size <= Order.max.pageCount.bytes, let order = Order(holding: size.pagesRoundedUp)
    else { throw .tooLarge }
    let first = try allocateBlock(order, heap[device].coherentMask)
    let count = size.pagesRoundedUp
    giveTailBack(first, order, keeping: count)
    let address = DeviceAddress(first.address.value)
    do throws(AllocationError) {
      let mapping = try heap.allocate(DeviceMapping(kind, address, count.bytes))
      heap[mapping].pool = pool
      enter(mapping, of: device)
    } catch {
      freeFrames(first, count)
      throw .outOfMemory
    }
    heap[device].coherentPageCount += count
    return CoherentMemory(
      address: address, byteCount: count.bytes,
      memory: machine.directMap.block(at: first.address, byteCount: count.bytes))
  }

  /// Gives coherent memory back. Linux: `dma_free_coherent()`.
  ///
  /// - Parameter size: what was asked for, or what was given.
  /// - Throws: `notMapped`, `otherKind`, `otherSize`; nothing is changed then.
  public func freeCoherent(
    of device: Reference<Device>, _ address: DeviceAddress, _ size: ByteCount
  ) throws(DeviceMemoryError) {
    let mapping = try find(address, of: device, .coherent)
    guard heap[mapping].byteCount == size.pagesRoundedUp.bytes else { throw misuse(.otherSize) }
    takeBack(mapping, of: device)
  }

  /// Single frames in a row, zeroed; the highest zone first, and lower ones as long as the mask
  /// does not reach what they gave.
  ///
  /// Linux: `__dma_direct_alloc_pages()`.
  private func allocateBlock(
    _ order: Order, _ mask: AddressMask
  ) throws(DeviceMemoryError) -> PageFrameNumber {
    var zone = mask.firstZone
    while true {
      let request = FrameRequest(order: order, kind: .dma, zoneLimit: zone, content: .zeroed)
      let block: PageFrameNumber
      do throws(AllocationError) {
        block = try frames.allocate(request).surrender()
      } catch {
        throw .outOfMemory
      }
      if mask.reaches(block.address.value, order.pageCount.bytes) {
        return order == .zero ? block : frames.split(.adopt(block, order))
      }
      frames.free(.adopt(block, order))
      guard zone > .dma else { throw .outOfMemory }
      zone = zone > .dma32 ? .dma32 : .dma
    }
  }

  private func giveTailBack(_ first: PageFrameNumber, _ order: Order, keeping count: PageCount) {
    for index in count.value..<order.pageCount.value {
      frames.free(.adopt(first + PageCount(index)))
    }
  }

  private func freeFrames(_ first: PageFrameNumber, _ count: PageCount) {
    for index in 0..<count.value { frames.free(.adopt(first + PageCount(index))) }
  }

  // What devices have

  func enter(_ mapping: Reference<DeviceMapping>, of device: Reference<Device>) {
    let next = heap[device].first
    heap[mapping].next = next
    if let next = next.reference { heap[next].previous = Link(mapping) }
    heap[device].first = Link(mapping)
  }

  /// Takes something out of a device's list and frees it.
  func remove(_ mapping: Reference<DeviceMapping>, of device: Reference<Device>) {
    let (previous, next) = (heap[mapping].previous, heap[mapping].next)
    if let previous = previous.reference {
      heap[previous].next = next
    } else {
      heap[device].first = next
    }
    if let next = next.reference { heap[next].previous = previous }
    heap.free(mapping)
  }

  /// Ends something, with its frames if they are its own.
  func takeBack(_ mapping: Reference<DeviceMapping>, of device: Reference<Device>) {
    if heap[mapping].kind != .transfer {
      let count = heap[mapping].byteCount.pagesRoundedUp
      freeFrames(heap[mapping].address.physical.frame, count)
      heap[device].coherentPageCount -= count
    }
    remove(mapping, of: device)
  }

  /// What begins at an address, of one kind.
  ///
  /// - Complexity: O(things that the device has).
  func find(
    _ address: DeviceAddress, of device: Reference<Device>, _ kind: DeviceMapping.Kind
  ) throws(DeviceMemoryError) -> Reference<DeviceMapping> {
    var next = heap[device].first.reference
    var isOther = false
    while let mapping = next {
      if heap[mapping].address == address {
        if heap[mapping].kind == kind { return mapping }
        isOther = true
      }
      next = heap[mapping].next.reference
    }
    throw misuse(isOther ? .otherKind : .notMapped)
  }
}
