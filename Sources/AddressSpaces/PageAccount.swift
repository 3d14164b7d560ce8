// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures
import KernelHeap
import Machine
import MemoryUnits
import PageFrames
import PageTableFormats

/// How many pages the files of one file system in memory have, and how many they may have.
///
/// Linux: `used_blocks` and `max_blocks` of `struct shmem_sb_info`.
public struct PageAccount: HeapObject {
  public static var cacheName: StaticString { "page_account" }
  public static var cacheIndex: Int { 48 }

  public var limit: PageCount
  public internal(set) var used = PageCount.zero

  public init(limit: PageCount) { self.limit = limit }
}

extension AddressSpaces {
  /// Counts one page more for a file; false where its file system is full. Context: any.
  func charge(_ file: Reference<CachedFile>) -> Bool {
    guard let account = heap[file].account.reference else { return true }
    guard heap[account].used < heap[account].limit else { return false }
    heap[account].used += PageCount(1)
    return true
  }

  func uncharge(_ file: Reference<CachedFile>) {
    guard let account = heap[file].account.reference else { return }
    heap[account].used -= PageCount(1)
  }
}

/// Cutting files, and looking which of their pages there are.
extension AddressSpaces {
  /// The frame of a page if it is in memory and up to date, retained for the caller; nil of a
  /// hole. Context: any.
  public func presentPage(
    of file: Reference<CachedFile>, index: UInt64
  ) -> PageFrameNumber? {
    guard let frame = upToDatePage(of: file, index: index) else { return nil }
    frames.retain(frame)
    return frame
  }

  /// The index of the first page in memory from an index on. Context: any.
  public func firstPage(of file: Reference<CachedFile>, from index: UInt64) -> UInt64? {
    heap[file].pages.next(from: index, in: nodes)?.index
  }

  /// Makes a file end at a byte: pages behind it go from the cache and from every page table, with
  /// the private copies that programs have of them, and the rest of the last page becomes zeros.
  ///
  /// - Context: may sleep, where a page is being read or written.
  ///
  /// Linux: `truncate_setsize()`, `unmap_mapping_range()`, `truncate_inode_pages_range()`.
  public func truncate(_ file: Reference<CachedFile>, to byteCount: UInt64) {
    let old = heap[file].byteCount
    heap[file].byteCount = byteCount
    guard byteCount < old else { return }
    let shift = UInt64(PageSize.base.shift)
    let rest = Int(byteCount & (PageSize.base.bytes - 1))
    if rest != 0 {
      clear(file, index: byteCount >> shift, from: rest, to: Int(PageSize.base.bytes))
    }
    let first = heap[file].indexLimit
    heap[file].mappings.forEachOverlap(from: first, through: .max, in: mappingLinks) { area in
      guard heap[area].isPrivate else { return }
      // An area that begins behind the end goes whole.
      let start = heap[area].page(at: first) ?? heap[area].start
      unmapPages(of: heap[area].space, from: start, to: heap[area].end)
    }
    removePages(of: file, from: first, to: .max)
  }

  /// Writes zeros over a part of a page that is in memory; nothing where it is not. Context: any.
  public func clear(_ file: Reference<CachedFile>, index: UInt64, from start: Int, to end: Int) {
    guard let frame = upToDatePage(of: file, index: index) else { return }
    machine.withBytes(of: frame) { $0.clear(from: start, byteCount: end - start) }
  }

  /// Takes the pages of an index range from the cache and from every page table.
  ///
  /// - Context: may sleep, where a page is being read or written.
  public func removePages(of file: Reference<CachedFile>, from first: UInt64, to end: UInt64) {
    var index = first
    while let next = heap[file].pages.next(from: index, in: nodes), next.index < end {
      let frame = PageFrameNumber(next.entry)
      frames.retain(frame)
      let busy = FrameFlags.locked.union(.writeback)
      if !frames.table[frame].flags.isDisjoint(with: busy) {
        environment.sleep(on: .frame(frame))
        _ = frames.release(frame)
        continue
      }
      index = next.index
      if frames.table[frame].mappings > 0 { unmapEverywhere(frame) }
      if keepsBlock(frame) { environment.noteCancelled() }
      dropPage(of: file, index: index)
      _ = frames.release(frame)
      index += 1
    }
  }

  /// Whether a shared area may write a file's pages. Linux: `mapping_writably_mapped()`.
  public func hasWritableMapping(_ file: Reference<CachedFile>) -> Bool {
    var isFound = false
    heap[file].mappings.forEachOverlap(from: 0, through: .max, in: mappingLinks) { area in
      if !heap[area].isPrivate, heap[area].maximumProtection.contains(.write) { isFound = true }
    }
    return isFound
  }
}
