// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryEvents
import MemoryUnits

extension PageFrames {
  /// Allocates a block, and lets somebody free memory as long as there is none.
  ///
  /// How long it tries is a matter of the request's flags, as in Linux: not at all without
  /// `mayWait`; once where the block is of more than eight frames or it `triesOnce`; for ever
  /// where it `neverFails`; otherwise until the relief has no more, and what is kept for others
  /// that cannot wait has been given up.
  ///
  /// Linux: `__alloc_pages_slowpath()`.
  ///
  /// - Throws: `outOfMemory`; then it is in the log.
  /// - Context: no lock held, except the kernel's, which the relief may release.
  @inline(__always)  // As `allocate`: what follows costs a frame of the lists 100 if it is inside.
  public func allocate<R: PressureRelief>(
    _ request: FrameRequest, relief: R
  ) throws(AllocationError) -> FrameBlock {
    if let block = allocateReady(request) { return block }
    return try allocateSlowly(request, relief: relief)
  }

  @inline(never)  // Out of the fast path's registers.
  func allocateSlowly<R: PressureRelief>(
    _ request: FrameRequest, relief: R
  ) throws(AllocationError) -> FrameBlock {
    var request = request
    var wasRelieved = false
    while true {
      do throws(AllocationError) {
        return try allocateBlock(request)
      } catch {
        guard error == .outOfMemory else { throw error }
        // Without `mayWait` it is in the log already.
        guard request.flags.contains(.mayWait) else { throw error }
      }
      let isOver = wasRelieved && request.givesUpEarly
      if !isOver && relief.relieve(Shortfall(request)) == .progress {
        // What is kept beyond one page block of a zone is not worth another round.
        if wasRelieved { _ = giveUpKept(request, keeping: PageCount(PageBlocks.frameCount)) }
        wasRelieved = true
      } else if !isOver && giveUpKept(request, keeping: .zero) {
        continue
      } else if request.flags.contains(.neverFails) {
        // Linux: `__alloc_pages_cpuset_fallback()` with `ALLOC_MIN_RESERVE`.
        request.flags.formUnion(.high)
        relief.pause()
      } else {
        report(request)
        throw .outOfMemory
      }
    }
  }
}

extension FrameRequest {
  /// Whether one round of reclaim is all that is done for it.
  ///
  /// Linux: `__GFP_NORETRY`, and `PAGE_ALLOC_COSTLY_ORDER` without `__GFP_RETRY_MAYFAIL`.
  var givesUpEarly: Bool {
    if flags.contains(.neverFails) { return false }
    let isCostly = order > CPUZoneLists.largestOrder && !flags.contains(.ratherFails)
    return isCostly || flags.contains(.triesOnce)
  }
}
