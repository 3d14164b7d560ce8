// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import MemoryUnits
import PageFrames

/// What all address spaces of a machine share.
public struct MemoryState: BitwiseCopyable {
  /// The frame of zeros that reads of untouched memory see. Linux: `empty_zero_page`.
  public let zeroFrame: PageFrameNumber
  /// The page table whose kernel half every space shares.
  public let kernelRoot: PageFrameNumber

  /// Pages of files, the ones that came or were used last at the front. Linux: the file LRU.
  var firstFilePage: UInt32 = 0
  var lastFilePage: UInt32 = 0
  /// Pages of disk files in memory, and of memory-backed ones.
  public internal(set) var filePageCount = PageCount.zero
  public internal(set) var sharedPageCount = PageCount.zero
  /// Pages of disk files that differ from the disk, and those on their way to it.
  /// Linux: `NR_FILE_DIRTY`, `NR_WRITEBACK`.
  public internal(set) var dirtyPageCount = PageCount.zero
  public internal(set) var writebackPageCount = PageCount.zero
  /// Events since boot. Linux: `nr_dirtied`, `nr_written`.
  public internal(set) var dirtiedCount: UInt64 = 0
  public internal(set) var writtenCount: UInt64 = 0
  /// Files with dirty pages, the one that has them for longest first. Linux: `b_dirty`.
  var firstDirtyFile = Link<CachedFile>(nil)
  var lastDirtyFile = Link<CachedFile>(nil)
  /// Tasks that wait until fewer pages are dirty.
  var throttledTaskCount: UInt32 = 0
  public var writeBack = WriteBackLimits()
  public internal(set) var anonymousPageCount = PageCount.zero
  /// Frames that locked areas map.
  public internal(set) var locked = LockedFrames()
  /// Frames of files that some page table maps. Linux: `NR_FILE_MAPPED`.
  public internal(set) var mappedFilePageCount = PageCount.zero
  /// Events since boot. Linux: `pgfault`, `pgmajfault`.
  public internal(set) var faultCount: UInt64 = 0
  public internal(set) var majorFaultCount: UInt64 = 0
  /// Private writable pages that programs were promised. Linux: `Committed_AS`.
  public internal(set) var committedPageCount = PageCount.zero
  /// File pages that reclaim looked at, and took. Linux: `pgscan_file`, `pgsteal_file`.
  public var scannedCount: UInt64 = 0
  public var stolenCount: UInt64 = 0
  /// Pages that reclaim began to write, and how often somebody had to reclaim, by the zone that
  /// memory was wanted of, movable memory last. Linux: `nr_vmscan_write`, `allocstall_`.
  public var reclaimWriteCount: UInt64 = 0
  public private(set) var stallCounts = InlineArray<5, UInt64>(repeating: 0)
  /// Writes that found a copy of theirs alone. Linux: `pgreuse`.
  public internal(set) var reuseCount: UInt64 = 0
  /// Frames whose contents were moved, and those that could not be.
  public internal(set) var migration = MigrationCounts()
  /// What compaction counts and remembers.
  public var compaction = CompactionState()
  /// Somebody is moving pages out of a contiguous area; others wait for their turn.
  public var isAreaBeingEmptied = false
  /// What the administrator may set.
  public var policy = MemoryPolicy()

  /// Pages of disk files that reclaim may look at.
  public var evictableFilePageCount: PageCount { filePageCount - locked.file }
  public var evictableSharedPageCount: PageCount { sharedPageCount - locked.shared }

  public init(zeroFrame: PageFrameNumber, kernelRoot: PageFrameNumber) {
    self.zeroFrame = zeroFrame
    self.kernelRoot = kernelRoot
  }

  /// Counts that somebody reclaims memory before an allocation. Linux: `ALLOCSTALL`.
  public mutating func countStall(_ shortfall: Shortfall) {
    let place = shortfall.mobility == .movable ? ZoneKind.count : shortfall.zoneLimit.index
    stallCounts[place] &+= 1
  }
}
