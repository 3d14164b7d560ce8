// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures
import Machine
import MemoryUnits

/// What somebody asks for at boot: memory that can be had in a row at any time.
///
/// Linux: the boot word `cma=size[@base[-limit]]`.
public struct ContiguousAreaRequest: BitwiseCopyable, Sendable {
  /// Rounded up to what areas are aligned to.
  public var size: ByteCount
  /// Where it begins; with a limit, where it begins at the lowest.
  public var base: PhysicalAddress?
  /// Below it the whole area lies.
  public var limit: PhysicalAddress?
  /// The frames that one bit of the area's map stands for. Linux: `order_per_bit`.
  public var granularity: Order

  public init(
    size: ByteCount, base: PhysicalAddress? = nil, limit: PhysicalAddress? = nil,
    granularity: Order = .zero
  ) {
    self.size = size
    self.base = base
    self.limit = limit
    self.granularity = granularity
  }

  /// Page blocks of an area are its own, and free blocks never reach over its ends.
  ///
  /// Linux: `CMA_MIN_ALIGNMENT_BYTES`.
  public static var alignment: ByteCount { Order.max.pageCount.bytes }
}

/// Why a machine cannot have an area.
public enum ContiguousAreaError: UInt8, Error, Equatable, Sendable, BitwiseCopyable {
  /// No bytes are asked for.
  case empty = 1
  /// It would begin at no multiple of `alignment`.
  case misaligned = 2
  /// Not all of it is RAM.
  case outsideMemory = 3
  /// Something is there already: the kernel, or another area.
  case overlapping = 4
  /// It is larger than its zone, or lies in two.
  case acrossZones = 5
  /// Nothing large enough is free between base and limit.
  case noRoom = 6
  /// There are as many areas as there may be.
  case tooMany = 7
}

/// One contiguous area: memory that movable pages borrow until somebody wants it in a row.
///
/// Linux: `struct cma`.
public struct ContiguousArea: BitwiseCopyable {
  public let range: FrameRange
  public let granularity: Order
  /// The bits of what is allocated. Linux: `bitmap`.
  let words: ResidentArray<UInt64>
  /// Who holds what, in no order; those without frames are vacant.
  let holders: ResidentArray<ContiguousHolder>
  /// What was in the way, the last ones.
  let blockers: ResidentArray<ContiguousBlocker>

  /// Requests that were served, and frames of them. Linux: `cma_alloc_success`,
  /// `alloc_pages_success`.
  public internal(set) var successCount: UInt64 = 0
  public internal(set) var successFrameCount: UInt64 = 0
  /// Requests that were not. Linux: `cma_alloc_fail`, `alloc_pages_fail`.
  public internal(set) var failureCount: UInt64 = 0
  public internal(set) var failureFrameCount: UInt64 = 0
  /// Linux: `release_pages_success`.
  public internal(set) var releasedFrameCount: UInt64 = 0
  /// Frames that were ever in the way.
  public internal(set) var blockedCount: UInt64 = 0

  /// The most areas of a machine. Linux: `CONFIG_CMA_AREAS`.
  public static var maximumCount: Int { 8 }
  static var holderLimit: Int { 64 }
  static var blockerLimit: Int { 16 }

  var bits: Bitmap<ResidentArray<UInt64>> {
    Bitmap(words, bitCount: range.count.value >> Int(granularity.value))
  }

  /// The frames that nobody has in a row. Linux: `cma_used_get()`, reversed.
  public var availableCount: PageCount {
    PageCount((bits.bitCount - bits.count) << Int(granularity.value))
  }

  /// Where the next request for so many frames would be served from.
  ///
  /// Linux: `cma_alloc()`, its search.
  ///
  /// - Parameter start: not before this frame.
  func firstRoom(
    for count: PageCount, alignment: Order, from start: PageFrameNumber
  ) -> FrameRange? {
    let shift = Int(granularity.value)
    let length = (count.value + 1 << shift - 1) >> shift
    guard count > .zero, length <= bits.bitCount else { return nil }
    let step = alignment > granularity ? 1 << Int(alignment.value - granularity.value) : 1
    let from = ((start - range.first).value + 1 << shift - 1) >> shift
    guard let bit = bits.firstGap(of: length, from: from, alignment: step) else { return nil }
    return FrameRange(first: range.first + PageCount(bit << shift), count: count)
  }

  /// The bits that stand for a range.
  func bits(of frames: FrameRange) -> Range<Int> {
    let shift = Int(granularity.value)
    let first = (frames.first - range.first).value
    return first >> shift..<(first + frames.count.value + 1 << shift - 1) >> shift
  }
}

/// Somebody who has frames of an area in a row.
public struct ContiguousHolder: BitwiseCopyable, Sendable {
  public let range: FrameRange
  /// The process that asked for them.
  public let process: UInt32

  static var vacant: Self {
    Self(range: FrameRange(first: PageFrameNumber(0), count: .zero), process: 0)
  }
}

/// A frame that was in the way of a request.
public struct ContiguousBlocker: BitwiseCopyable, Sendable {
  public let frame: PageFrameNumber
  /// Why it could not be moved, as whoever moves frames numbers the reasons.
  public let reason: UInt8
  /// What it was then.
  public let descriptor: FrameDescriptor
}
