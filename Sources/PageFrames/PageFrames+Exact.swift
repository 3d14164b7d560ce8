// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryUnits

extension PageFrames {
  /// Allocates neighbouring frames, no more than asked for: the rest of the block goes back.
  ///
  /// Linux: `alloc_pages_exact()`; `free(_:)` is `free_pages_exact()`.
  ///
  /// - Parameter request: its order is of no matter.
  /// - Throws: `zeroSize`, `orderTooLarge` beyond the largest block, `outOfMemory`.
  /// - Complexity: O(frames).
  /// - Context: as `allocate(_:)`.
  public func allocate(
    exactly count: PageCount, _ request: FrameRequest
  ) throws(AllocationError) -> ContiguousFrames {
    guard count > .zero else { throw .zeroSize }
    guard let order = Order(holding: count) else { throw .orderTooLarge }
    var request = request
    request.order = order
    let first = split(try allocate(request))
    releaseAll(from: first + count, to: first + order.pageCount)
    return ContiguousFrames(FrameRange(first: first, count: count))
  }

  /// Gives the end of a range back.
  ///
  /// - Parameter count: what stays; at least one, at most all.
  public func shorten(
    _ frames: consuming ContiguousFrames, to count: PageCount
  ) -> ContiguousFrames {
    let range = frames.surrender()
    let first = range.first
    precondition(count > .zero && count <= range.count, "a range is not made longer")
    releaseAll(from: first + count, to: range.end)
    return ContiguousFrames(FrameRange(first: first, count: count))
  }

  private func releaseAll(from first: PageFrameNumber, to end: PageFrameNumber) {
    var frame = first
    while frame < end {
      release(frame)
      frame = frame + PageCount(1)
    }
  }
}
