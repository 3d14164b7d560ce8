// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames

/// Memory that devices read and write by themselves.
///
///     allocateCoherent   both see it at once, for as long as the driver has it: rings
///     DevicePool         the same in small blocks
///     map … unmap        the kernel's own memory, for one transfer; where the device does not
///                        reach it, a bounce buffer that it reaches, and a copy
///
/// A device's address is the physical one, and its caches are the CPU's, as on a PC without an
/// IOMMU. A value that is a reference. Context of all verbs: the kernel lock is held, none sleeps.
///
/// Linux: `kernel/dma/direct.c`, `swiotlb.c`, `debug.c`, `mm/dmapool.c`.
public struct DeviceMemory<M: Machine>: BitwiseCopyable {
  let heap: ObjectHeap<M>
  let state: Resident<DeviceMemoryState>

  /// - Throws: what the page allocator throws.
  public init(heap: ObjectHeap<M>) throws(AllocationError) {
    self.heap = heap
    let request = FrameRequest(kind: .plain, content: .zeroed)
    let frame = try heap.frames.allocate(request).surrender()
    state = Resident(
      placing: DeviceMemoryState(), in: heap.frames.machine.directMap.frame(frame))
  }

  var frames: PageFrames<M> { heap.frames }
  var machine: M { heap.frames.machine }

  // Devices

  /// Makes a device known, with a mask for all that it will do.
  ///
  /// - Throws: `unreachable` for a mask that nothing satisfies; `outOfMemory`.
  public func addDevice(
    number: UInt32, mask: AddressMask = .bits32
  ) throws(DeviceMemoryError) -> Reference<Device> {
    try check(mask)
    do throws(AllocationError) {
      return try heap.allocate(Device(number: number, mask: mask))
    } catch {
      throw .outOfMemory
    }
  }

  /// Says how far a device reaches in transfers and in coherent memory.
  ///
  /// Linux: `dma_set_mask()`, `dma_set_coherent_mask()`.
  ///
  /// - Throws: `unreachable` for a mask that nothing satisfies; the old ones stay.
  public func setMasks(
    of device: Reference<Device>, _ mask: AddressMask, coherent: AddressMask
  ) throws(DeviceMemoryError) {
    try check(mask)
    try check(coherent)
    heap[device].mask = mask
    heap[device].coherentMask = coherent
  }

  /// Forgets a device. What it still has is taken from it, since it may not use it any more.
  ///
  /// Linux: `dma_debug_device_change()`: `device driver has pending DMA allocations`.
  ///
  /// - Returns: how many things it had: 0 for a driver that has given everything back.
  public func removeDevice(_ device: Reference<Device>) -> Int {
    var leaked = heap[device].transferCount
    while let pool = heap[device].firstPool.reference {
      leaked += 1
      heap[device].firstPool = heap[pool].next
      heap.free(pool)
    }
    while let mapping = heap[device].first.reference {
      if heap[mapping].kind == .coherent { leaked += 1 }
      takeBack(mapping, of: device)
    }
    releaseBounced(of: device)
    state.value.leakCount += leaked
    heap.free(device)
    return leaked
  }

  /// What is wrong about a device is known before it does harm. Linux: `CONFIG_DMA_API_DEBUG`.
  public func startChecking() { state.value.isChecking = true }

  /// What drivers did wrong so far. Linux: `/sys/kernel/debug/dma-api/error_count`.
  public var misuseCount: Int { state.value.misuseCount }
  /// Things that removed devices had not given back.
  public var leakCount: Int { state.value.leakCount }
  /// Pages of bounce buffers, and how many bytes of them are in use. Linux: `io_tlb_nslabs`,
  /// `io_tlb_used`.
  public var bouncePageCount: PageCount { state.value.bouncePages }
  /// Pages that say what each of their slots stands for.
  public var bounceTablePageCount: PageCount { state.value.bounceTablePages }
  public var bouncedByteCount: ByteCount {
    ByteCount(UInt64(state.value.usedSlotCount) * BouncePool.slotByteCount)
  }

  public func describe(_ device: Reference<Device>) -> Device { heap[device] }

  /// A mask must reach the lowest zone, or all memory where there is less.
  ///
  /// Linux: `dma_direct_supported()`.
  private func check(_ mask: AddressMask) throws(DeviceMemoryError) {
    let end = PageFrameNumber(UInt32(frames.table.count)).address.value
    guard mask.last >= min(AddressMask.isa.last, end - 1) else { throw .unreachable }
  }

  func misuse(_ error: DeviceMemoryError) -> DeviceMemoryError {
    state.value.misuseCount += 1
    return error
  }
}

/// What all devices share.
struct DeviceMemoryState: BitwiseCopyable {
  var isChecking = false
  var misuseCount = 0
  var leakCount = 0
  /// The kernel's text and constants.
  var imageStart: UInt64 = 0
  var imageEnd: UInt64 = 0

  // Bounce buffers
  /// Every transfer goes through one. Linux: `swiotlb=force`.
  var forcesBounce = false
  var pools = InlineArray<8, BouncePool?>(repeating: nil)
  var bouncePages = PageCount.zero
  var bounceTablePages = PageCount.zero
  var usedSlotCount = 0
  /// Transfers that were ever copied.
  var bouncedTransferCount: UInt64 = 0
}
