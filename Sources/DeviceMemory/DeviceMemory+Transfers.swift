// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames

/// The kernel's own memory, lent to a device for a transfer.
///
/// From `map` to `unmap` the memory is the device's; between the two, `synchronize` hands a part
/// of it over for a while.
extension DeviceMemory {
  /// Lends memory in a row to a device, and says how the device is to address it.
  ///
  /// Linux: `dma_map_page()`, `dma_map_single()`.
  ///
  /// - Throws: `zeroSize`; `noBounceBuffer`, `tooLarge`, `outOfMemory` where the device does not
  ///   reach it; `kernelImage` where misuse is looked for.
  /// - Complexity: O(1) where the device reaches the memory, otherwise O(bytes).
  public func map(
    _ start: PhysicalAddress, _ size: ByteCount, _ direction: TransferDirection,
    for device: Reference<Device>
  ) throws(DeviceMemoryError) -> DeviceAddress {
    guard size > .zero else { throw .zeroSize }
    if state.value.isChecking, isImage(start, size) { throw misuse(.kernelImage) }
    var address = DeviceAddress(start.value)
    if state.value.forcesBounce || !heap[device].mask.reaches(start.value, size) {
      address = try bounce(start, size, direction, device)
    }
    heap[device].transferCount += 1
    if state.value.isChecking { note(address, size, direction, device) }
    return address
  }

  /// Takes memory back from a device; what it has written is there now.
  ///
  /// Linux: `dma_unmap_page()`.
  ///
  /// - Throws: `notMapped`, `otherSize`, `otherDirection`, where misuse is looked for or a bounce
  ///   buffer is concerned; nothing is changed then.
  public func unmap(
    _ address: DeviceAddress, _ size: ByteCount, _ direction: TransferDirection,
    of device: Reference<Device>
  ) throws(DeviceMemoryError) {
    if state.value.isChecking {
      let mapping = try find(address, of: device, .transfer)
      guard heap[mapping].byteCount == size else { throw misuse(.otherSize) }
      guard heap[mapping].direction == direction else { throw misuse(.otherDirection) }
      remove(mapping, of: device)
    }
    if isBounced(address) { try endBounce(address, size, direction, device) }
    heap[device].transferCount -= 1
  }

  /// Lets the kernel see what a device has written so far; the memory is the kernel's until it
  /// is handed over again.
  ///
  /// Linux: `dma_sync_single_range_for_cpu()`.
  ///
  /// - Throws: `notMapped`, `outside`, `otherDirection`, as for `unmap`.
  public func synchronizeForKernel(
    _ address: DeviceAddress, from offset: ByteCount = .zero, _ size: ByteCount,
    _ direction: TransferDirection, of device: Reference<Device>
  ) throws(DeviceMemoryError) {
    try check(address, offset, size, direction, device)
    guard isBounced(address), direction.isWritten else { return }
    try copyBounced(address, offset, size, .fromBuffer)
  }

  /// Lets a device see what the kernel has written; the memory is the device's again.
  ///
  /// Linux: `dma_sync_single_range_for_device()`.
  ///
  /// - Throws: as `synchronizeForKernel`.
  public func synchronizeForDevice(
    _ address: DeviceAddress, from offset: ByteCount = .zero, _ size: ByteCount,
    _ direction: TransferDirection, of device: Reference<Device>
  ) throws(DeviceMemoryError) {
    try check(address, offset, size, direction, device)
    guard isBounced(address), direction != .fromDevice else { return }
    try copyBounced(address, offset, size, .toBuffer)
  }

  /// Says where the kernel's text and constants are, which no device may touch.
  public func protectImage(from start: PhysicalAddress, to end: PhysicalAddress) {
    state.value.imageStart = start.value
    state.value.imageEnd = end.value
  }

  private func isImage(_ start: PhysicalAddress, _ size: ByteCount) -> Bool {
    start.value < state.value.imageEnd && start.value &+ size.value > state.value.imageStart
  }

  private func check(
    _ address: DeviceAddress, _ offset: ByteCount, _ size: ByteCount,
    _ direction: TransferDirection, _ device: Reference<Device>
  ) throws(DeviceMemoryError) {
    guard state.value.isChecking else { return }
    let mapping = try find(address, of: device, .transfer)
    let end = heap[mapping].byteCount
    guard offset <= end, size.value <= (end - offset).value else { throw misuse(.outside) }
    guard heap[mapping].direction.covers(direction) else { throw misuse(.otherDirection) }
  }

  /// Remembers a transfer for the checks. Without memory for that there are none from now on.
  private func note(
    _ address: DeviceAddress, _ size: ByteCount, _ direction: TransferDirection,
    _ device: Reference<Device>
  ) {
    do throws(AllocationError) {
      enter(
        try heap.allocate(DeviceMapping(.transfer, address, size, direction)), of: device)
    } catch {
      // Linux: `debugging out of memory - disabling`.
      state.value.isChecking = false
    }
  }
}
