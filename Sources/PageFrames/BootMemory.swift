// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryUnits

/// Physical memory before there are zones: what is RAM, what of it is taken, and tables cut from
/// the rest, from the top down.
///
/// The same calls give the same addresses. `PageFrames.takeOver` hands the rest to the zones.
///
/// Linux: `memblock`.
public struct BootMemory: BitwiseCopyable {
  private(set) var memory = AddressRanges()
  private(set) var reserved = AddressRanges()
  private(set) var isHandedOver = false
  /// The contiguous areas that were found a place.
  var contiguousAreas = InlineArray<8, ContiguousAreaReservation>(
    repeating: ContiguousAreaReservation(
      range: FrameRange(first: PageFrameNumber(0), count: .zero), granularity: .zero))
  var contiguousAreaCount = 0
  private let limit: PhysicalAddress

  /// - Parameter limit: boot tables lie below it: the end of the direct map.
  public init(limit: PhysicalAddress) {
    self.limit = limit
    // Frame 0 stays out of every list, since 0 is no frame in a link.
    reserve(from: PhysicalAddress(0), ByteCount(PageSize.base.bytes))
  }

  /// Says that a range is RAM. Linux: `memblock_add()`.
  ///
  /// A range too many (64 apart from each other) is not used.
  public mutating func add(from start: PhysicalAddress, _ size: ByteCount) {
    _ = memory.insert(AddressRange(start: start.value, end: start.value + size.value))
  }

  /// Says that a range is in use: firmware, the kernel's image. Linux: `memblock_reserve()`.
  ///
  /// - Precondition: at most 64 ranges apart from each other; RAM may be reserved before or after
  ///   it is added.
  public mutating func reserve(from start: PhysicalAddress, _ size: ByteCount) {
    let fits = reserved.insert(AddressRange(start: start.value, end: start.value + size.value))
    precondition(fits, "too many reserved ranges")
  }

  /// Cuts a table from the highest RAM below the limit that is free. It is never given back.
  ///
  /// Linux: `memblock_phys_alloc()`.
  ///
  /// - Parameter alignment: a power of two; a cache line where nothing is said.
  /// - Throws: `outOfMemory`.
  /// - Precondition: the memory was not handed over.
  public mutating func allocate(
    _ size: ByteCount, alignment: ByteCount = ByteCount(64)
  ) throws(AllocationError) -> PhysicalAddress {
    precondition(!isHandedOver, "boot memory was handed over already")
    var best: AddressRange?
    var cursor: UInt64 = 0
    while let gap = nextGap(from: cursor) {
      cursor = gap.end
      let end = min(gap.end, limit.value)
      guard end >= size.value else { continue }
      let start = (end - size.value) & ~(alignment.value - 1)
      if start >= gap.start { best = AddressRange(start: start, end: end) }
    }
    guard let best else { throw .outOfMemory }
    reserve(from: PhysicalAddress(best.start), ByteCount(best.end - best.start))
    return PhysicalAddress(best.start)
  }

  /// The same, as bytes that can be used at once. They are not cleared.
  public mutating func allocateBlock<M: Machine>(
    _ size: ByteCount, alignment: ByteCount = ByteCount(64), on machine: M
  ) throws(AllocationError) -> MemoryBlock {
    let address = try allocate(size, alignment: alignment)
    return machine.directMap.block(at: address, byteCount: size)
  }

  /// The first frame beyond all RAM. Linux: `max_pfn`.
  public var endFrame: PageFrameNumber {
    guard memory.count > 0 else { return PageFrameNumber(0) }
    return PhysicalAddress(memory[memory.count - 1].end).frame
  }

  /// The RAM in a range of frames, taken or not. Linux: `zone_absent_pages_in_node()`, reversed.
  func presentPageCount(from first: PageFrameNumber, to end: PageFrameNumber) -> PageCount {
    var total = PageCount.zero
    for index in 0..<memory.count {
      let start = max(roundedUp(memory[index].start), first)
      let last = min(PhysicalAddress(memory[index].end).frame, end)
      if start < last { total += last - start }
    }
    return total
  }

  /// The next whole frames from one on that are RAM and not taken.
  func nextFreeRun(from frame: PageFrameNumber) -> (first: PageFrameNumber, end: PageFrameNumber)? {
    var cursor = frame.address.value
    while let gap = nextGap(from: cursor) {
      let first = roundedUp(gap.start)
      let end = PhysicalAddress(gap.end).frame
      if first < end { return (first, end) }
      cursor = gap.end
    }
    return nil
  }

  mutating func markHandedOver() { isHandedOver = true }

  /// Whether all of a range is RAM.
  func holdsMemory(from start: UInt64, to end: UInt64) -> Bool {
    for index in 0..<memory.count where memory[index].start <= start && end <= memory[index].end {
      return true
    }
    return false
  }

  /// Whether all of a range is RAM that is not taken.
  func isFree(from start: UInt64, to end: UInt64) -> Bool {
    guard let gap = nextGap(from: start) else { return false }
    return gap.start <= start && end <= gap.end
  }

  /// The first run of free RAM at or after an address.
  private func nextGap(from address: UInt64) -> AddressRange? {
    for index in 0..<memory.count where memory[index].end > address {
      var start = max(memory[index].start, address)
      for taken in 0..<reserved.count where reserved[taken].end > start {
        if reserved[taken].start > start { break }
        start = reserved[taken].end
      }
      guard start < memory[index].end else { continue }
      var end = memory[index].end
      for taken in 0..<reserved.count where reserved[taken].start > start {
        end = min(end, reserved[taken].start)
        break
      }
      return AddressRange(start: start, end: end)
    }
    return nil
  }

  private func roundedUp(_ address: UInt64) -> PageFrameNumber {
    PhysicalAddress(address + PageSize.base.bytes - 1).frame
  }
}
