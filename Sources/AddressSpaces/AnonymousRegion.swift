// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures
import KernelHeap

/// The areas in which a private page may be mapped: the one it was made in and those that forks
/// derived from it.
///
/// A frame of a private page names its region and its index there; the region's tree then gives
/// each area that covers the index, and so each page-table entry that can map the frame.
///
/// Linux: `struct anon_vma`.
public struct AnonymousRegion: HeapObject {
  public static var cacheName: StaticString { "anon_vma" }
  public static var cacheIndex: Int { 2 }

  /// By the range of indices of the link's area.
  var links = IntervalTree<Reference<AnonymousRegionLink>>()
  /// Links in the tree; with the last of them and of its children the region ends.
  var linkCount: UInt32 = 0
  /// Areas whose `region` this is. Linux: `num_active_vmas`.
  var activeAreaCount: UInt32 = 0
  /// Regions whose parent this is. Linux: `num_children`.
  var childCount: UInt32 = 0
  var parent = Link<AnonymousRegion>(nil)
}

/// That pages of a region may be mapped in an area.
///
/// Linux: `struct anon_vma_chain`.
public struct AnonymousRegionLink: HeapObject {
  public static var cacheName: StaticString { "anon_vma_chain" }
  public static var cacheIndex: Int { 3 }

  let area: Reference<Area>
  let region: Reference<AnonymousRegion>
  /// The next link of the same area.
  var nextOfArea = Link<AnonymousRegionLink>(nil)

  /// The range of indices under which the link stands in the region's tree.
  var first: UInt64
  var last: UInt64
  var hook = TreeHook<AnonymousRegionLink>()
  var subtreeLast: UInt64 = 0
}
