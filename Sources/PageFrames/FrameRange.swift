// SPDX-License-Identifier: Apache-2.0

import MemoryUnits

/// Frames in a row, of any number.
public struct FrameRange: BitwiseCopyable, Equatable, Sendable {
  public let first: PageFrameNumber
  public let count: PageCount

  public init(first: PageFrameNumber, count: PageCount) {
    self.first = first
    self.count = count
  }

  /// The first frame behind it.
  public var end: PageFrameNumber { first + count }

  /// Whether a frame is one of them.
  public func contains(_ frame: PageFrameNumber) -> Bool { first <= frame && frame < end }

  /// Whether a frame is of both.
  public func overlaps(_ other: FrameRange) -> Bool { first < other.end && other.first < end }
}

/// Frames in a row that somebody owns, each allocated by itself, to be given back exactly once.
///
/// Linux: what `alloc_contig_range()` leaves.
@frozen
public struct ContiguousFrames: ~Copyable {
  public let range: FrameRange

  init(_ range: FrameRange) { self.range = range }

  deinit { assertionFailure("contiguous frames were lost") }

  /// Ends the token; from now on the range is what the caller keeps.
  public consuming func surrender() -> FrameRange {
    let kept = range
    discard self
    return kept
  }

  /// Makes the token of a range again.
  ///
  /// - Precondition: it was surrendered, and nobody else adopts it.
  public static func adopt(_ range: FrameRange) -> ContiguousFrames { ContiguousFrames(range) }
}

/// Why frames in a row cannot be had.
public enum ContiguousError: Error, Equatable, Sendable, BitwiseCopyable {
  /// No frames, or not all of them are of one zone. Linux: `-EINVAL`.
  case notInOneZone
  /// Somebody else is emptying one of its page blocks. Linux: `-EBUSY`.
  case isolatedAlready
  /// This frame is in use. Linux: `-EBUSY`.
  case inUse(PageFrameNumber)
}
