// SPDX-License-Identifier: Apache-2.0

import MemoryUnits

/// Where the zones of an architecture begin and end.
///
/// A zone that the architecture does not have begins where it ends.
///
/// Linux: `arch_zone_lowest_possible_pfn`, `max_zone_pfns`.
public struct ZoneLayout: Sendable, BitwiseCopyable {
  /// The first frame beyond each zone, ascending.
  private let ends: (UInt32, UInt32, UInt32, UInt32)

  /// - Precondition: ascending.
  public init(
    dmaEnd: PageFrameNumber, dma32End: PageFrameNumber, normalEnd: PageFrameNumber,
    highMemoryEnd: PageFrameNumber
  ) {
    precondition(
      dmaEnd <= dma32End && dma32End <= normalEnd && normalEnd <= highMemoryEnd, "zones overlap")
    ends = (dmaEnd.value, dma32End.value, normalEnd.value, highMemoryEnd.value)
  }

  /// DMA below 16 MiB, DMA32 below 4 GiB, NORMAL above.
  public static var x86_64: Self {
    Self(
      dmaEnd: PageFrameNumber(0x1000), dma32End: PageFrameNumber(0x10_0000),
      normalEnd: PageFrameNumber(.max), highMemoryEnd: PageFrameNumber(.max))
  }

  /// DMA below 16 MiB, NORMAL to the end of the direct map, HIGHMEM above.
  ///
  /// - Parameter lowMemoryEnd: 896 MiB where kernel and programs share 1 : 3.
  public static func i386(
    lowMemoryEnd: PageFrameNumber = PageFrameNumber(896 << 8)
  ) -> Self {
    let dmaEnd = min(PageFrameNumber(0x1000), lowMemoryEnd)
    return Self(
      dmaEnd: dmaEnd, dma32End: dmaEnd, normalEnd: lowMemoryEnd,
      highMemoryEnd: PageFrameNumber(.max))
  }

  /// The first frame of a zone.
  public func start(of zone: ZoneKind) -> PageFrameNumber {
    switch zone {
    case .dma: PageFrameNumber(0)
    case .dma32: PageFrameNumber(ends.0)
    case .normal: PageFrameNumber(ends.1)
    case .highMemory: PageFrameNumber(ends.2)
    }
  }

  /// The first frame beyond a zone.
  public func end(of zone: ZoneKind) -> PageFrameNumber {
    switch zone {
    case .dma: PageFrameNumber(ends.0)
    case .dma32: PageFrameNumber(ends.1)
    case .normal: PageFrameNumber(ends.2)
    case .highMemory: PageFrameNumber(ends.3)
    }
  }

  /// The zone that a frame lies in.
  public func zone(of frame: PageFrameNumber) -> ZoneKind {
    if frame.value < ends.0 { return .dma }
    if frame.value < ends.1 { return .dma32 }
    return frame.value < ends.2 ? .normal : .highMemory
  }
}
