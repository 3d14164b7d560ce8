// SPDX-License-Identifier: Apache-2.0

import MemoryUnits

/// An area that was found a place.
struct ContiguousAreaReservation: BitwiseCopyable {
  let range: FrameRange
  let granularity: Order
}

extension BootMemory {
  /// Keeps a place free of boot tables, to be lent to movable memory.
  ///
  /// With a base alone the area begins there; otherwise it is as high as it can be.
  ///
  /// Linux: `dma_contiguous_reserve()`, `cma_declare_contiguous()`.
  ///
  /// - Throws: why the machine cannot have it; nothing has changed then.
  /// - Precondition: RAM was added, the kernel's own reserved; the memory was not handed over.
  public mutating func reserve(
    _ request: ContiguousAreaRequest, zones: ZoneLayout
  ) throws(ContiguousAreaError) {
    let alignment = ContiguousAreaRequest.alignment.value
    guard contiguousAreaCount < ContiguousArea.maximumCount else { throw .tooMany }
    guard request.size > .zero else { throw .empty }
    guard request.size.value <= 1 << 44 else { throw .outsideMemory }
    let size = (request.size.value + alignment - 1) & ~(alignment - 1)
    let start: UInt64
    if let base = request.base, request.limit == nil {
      start = base.value
      try check(start, size, alignment, zones)
    } else {
      start = try highestPlace(for: size, request, zones)
    }
    reserve(from: PhysicalAddress(start), ByteCount(size))
    contiguousAreas[contiguousAreaCount] = ContiguousAreaReservation(
      range: FrameRange(
        first: PhysicalAddress(start).frame, count: ByteCount(size).pagesRoundedUp),
      granularity: request.granularity)
    contiguousAreaCount += 1
  }

  private func check(
    _ start: UInt64, _ size: UInt64, _ alignment: UInt64, _ zones: ZoneLayout
  ) throws(ContiguousAreaError) {
    guard start & (alignment - 1) == 0 else { throw .misaligned }
    guard start < 1 << 44, holdsMemory(from: start, to: start + size) else {
      throw .outsideMemory
    }
    guard isInOneZone(start, size, zones) else { throw .acrossZones }
    guard isFree(from: start, to: start + size) else { throw .overlapping }
  }

  private func highestPlace(
    for size: UInt64, _ request: ContiguousAreaRequest, _ zones: ZoneLayout
  ) throws(ContiguousAreaError) -> UInt64 {
    let alignment = ContiguousAreaRequest.alignment.value
    let end = endFrame.address.value
    let limit = min(request.limit?.value ?? end, end)
    let base = request.base?.value ?? 0
    guard base < limit, limit - base >= size else { throw .outsideMemory }
    var start = (limit - size) & ~(alignment - 1)
    var fitsZone = false
    while start >= base {
      if isInOneZone(start, size, zones) {
        fitsZone = true
        if isFree(from: start, to: start + size) { return start }
      }
      guard start >= alignment else { break }
      start -= alignment
    }
    throw fitsZone ? .noRoom : .acrossZones
  }

  private func isInOneZone(_ start: UInt64, _ size: UInt64, _ zones: ZoneLayout) -> Bool {
    zones.zone(of: PhysicalAddress(start).frame)
      == zones.zone(of: PhysicalAddress(start + size - 1).frame)
  }
}
