// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures
import KernelHeap
import MemoryUnits
import PageFrames

/// A file as memory sees it: its pages that are in RAM and the areas that map it.
///
/// Linux: `struct address_space`.
public struct CachedFile: HeapObject {
  public static var cacheName: StaticString { "address_space" }
  public static var cacheIndex: Int { 4 }

  /// Where its pages come from, and whether they can be had again.
  public enum Backing: UInt8, Sendable, BitwiseCopyable {
    /// Pages are read from a disk, and clean ones may be dropped.
    case disk
    /// Pages begin as zeros and live in memory only. Linux: shmem.
    case memory
    /// Pages are frames of a buffer for devices: there from the beginning to the end.
    case buffer
  }

  /// The file's size in bytes.
  public var byteCount: UInt64
  /// The raw reference of the owner above (an inode), 0 for none.
  public var owner: UInt32
  public let backing: Backing
  /// Areas and open files that hold it. At 0 its owner may let it go.
  public var users: UInt32 = 1

  /// Of a file in memory: who counts its pages. None: nobody limits them.
  public var account = Link<PageAccount>(nil)

  /// Frames by page index; an entry is a frame number.
  var pages = RadixTree<Reference<PageCacheNode>>()
  public internal(set) var pageCount = PageCount.zero
  /// The areas that map it, by index range. Linux: `i_mmap`.
  var mappings = IntervalTree<Reference<Area>>()
  // What of it has to be written
  /// Pages that differ from the disk, marked in `pages`, and those on their way to it.
  public internal(set) var dirtyCount = PageCount.zero
  public internal(set) var writebackCount = PageCount.zero
  /// When the first of its dirty pages became so. Linux: `dirtied_when`.
  public internal(set) var dirtiedAt = VirtualTime.zero
  var nextDirty = Link<CachedFile>(nil)
  var previousDirty = Link<CachedFile>(nil)
  /// Transfers to the disk that failed, and up to where those were told who map it and are all
  /// told at once. Linux: `wb_err`.
  public var writeErrors = WriteErrors()
  var toldMappings = WriteErrorMark()

  /// Of a buffer in a row: its frames, and the contiguous area that they go back to.
  var range = FrameRange(first: PageFrameNumber(0), count: .zero)
  var area = CachedFile.noArea
  static var noArea: UInt8 { .max }

  /// Where a transfer of several pages failed: there pages are read one at a time, so that a
  /// damaged one does not take its neighbours with it.
  var cautiousStart: UInt64 = 0
  var cautiousEnd: UInt64 = 0

  /// Pages that hold a byte of the file.
  public var indexLimit: UInt64 {
    (byteCount >> PageSize.base.shift) + (byteCount & (PageSize.base.bytes - 1) == 0 ? 0 : 1)
  }

  public init(byteCount: UInt64, owner: UInt32, backing: Backing) {
    self.byteCount = byteCount
    self.owner = owner
    self.backing = backing
  }
}
