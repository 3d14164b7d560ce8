// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames

/// Frames by what they are used for, counted in the frame table itself.
struct FrameCensus: BitwiseCopyable {
  private(set) var slab = PageCount.zero
  private(set) var pageTables = PageCount.zero
  private(set) var kernelStacks = PageCount.zero
  private(set) var anonymous = PageCount.zero
  private(set) var file = PageCount.zero
  private(set) var plain = PageCount.zero

  fileprivate mutating func add(_ kind: FrameKind, _ count: PageCount) {
    switch kind {
    case .slab: slab += count
    case .pageTable: pageTables += count
    case .kernelStack: kernelStacks += count
    case .anonymous: anonymous += count
    case .file: file += count
    case .plain, .dma: plain += count
    case .reserved, .free: break
    }
  }
}

extension FileSystems {
  /// Walks over all blocks of frames.
  ///
  /// - Complexity: O(blocks); only texts of /proc ask.
  func census() -> FrameCensus {
    var census = FrameCensus()
    var frame = PageFrameNumber(0)
    let end = frames.table.count
    while Int(frame.value) < end {
      let count = frames.table[frame].order.pageCount
      census.add(frames.table[frame].kind, count)
      frame = frame + count
    }
    return census
  }
}
