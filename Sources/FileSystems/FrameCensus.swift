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

  private(set) var dirty = PageCount.zero
  private(set) var writeback = PageCount.zero
  private(set) var unevictable = PageCount.zero
  private(set) var memoryLocked = PageCount.zero
  /// Private pages, and files', that reclaim may look at. Linux: the lists of `struct lruvec`.
  var evictableAnonymous: PageCount { anonymous - unevictableAnonymous }
  var evictableFile: PageCount { file - (unevictable - unevictableAnonymous) }
  private var unevictableAnonymous = PageCount.zero

  fileprivate mutating func add(_ frame: FrameDescriptor) {
    let count = frame.order.pageCount
    if frame.kind == .file || frame.kind == .anonymous {
      if frame.flags.contains(.dirty), frame.kind == .file { dirty += count }
      if frame.flags.contains(.writeback) { writeback += count }
      if frame.flags.contains(.unevictable) {
        unevictable += count
        if frame.kind == .anonymous { unevictableAnonymous += count }
      }
      if frame.flags.contains(.memoryLocked) { memoryLocked += count }
    }
    switch frame.kind {
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
  /// Walks over all blocks of frames, or those of one zone.
  ///
  /// - Complexity: O(blocks); only texts of /proc ask.
  func census(of zone: ZoneKind? = nil) -> FrameCensus {
    var census = FrameCensus()
    var frame = PageFrameNumber(0)
    let end = frames.table.count
    while Int(frame.value) < end {
      let descriptor = frames.table[frame]
      if zone == nil || zone == descriptor.zone { census.add(descriptor) }
      frame = frame + descriptor.order.pageCount
    }
    return census
  }
}
