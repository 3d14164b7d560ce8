// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryEvents
import MemoryUnits

extension PageFrames {
  /// Allocates many blocks of one request, with few turns of the locks.
  ///
  /// Linux: `alloc_pages_bulk()`; `release(_:)` of a span is the way back.
  ///
  /// - Parameter frames: gets the first frame of each block, from its start on.
  /// - Returns: how many there were; less than asked for where memory ran out.
  /// - Complexity: O(n) mostly.
  /// - Context: as `allocate(_:)`.
  public func allocate(
    _ request: FrameRequest, into frames: inout MutableSpan<PageFrameNumber>
  ) -> Int {
    var count = 0
    while count < frames.count {
      let ready = popReady(request, atMost: frames.count - count)
      for index in 0..<ready.count {
        frames[count] = handOut(ready.frames[index], request.order, request).surrender()
        count += 1
      }
      if count == frames.count { break }
      // One by one where there are none at hand; that fetches a batch.
      do throws(AllocationError) {
        frames[count] = try allocate(request).surrender()
        count += 1
      } catch { break }
    }
    return count
  }

  /// Takes what this CPU has at hand, sixteen at most.
  private func popReady(
    _ request: FrameRequest, atMost limit: Int
  ) -> (frames: InlineArray<16, PageFrameNumber>, count: Int) {
    var frames = InlineArray<16, PageFrameNumber>(repeating: PageFrameNumber(0))
    guard request.order <= CPUZoneLists.largestOrder && state.value.servesFromLists else {
      return (frames, 0)
    }
    let mobility = mobility(of: request)
    let zone = state.value.preferred[request.zoneLimit.index].index
    var count = 0
    state.value.cpus[Int(machine.currentCPU.value)].withLock { (lists: inout CPUFrameLists) in
      while count < min(limit, 16),
        let frame = lists.zones[zone].pop(request.order, mobility, in: table)
      {
        Self.take(frame, request.order, as: request.kind, in: table)
        frames[count] = frame
        count += 1
      }
    }
    return (frames, count)
  }
}
