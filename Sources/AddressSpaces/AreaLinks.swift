// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures
import KernelHeap
import Machine

/// The links of areas in the tree of their address space, which remembers the largest gap.
struct AreaLinks<Hardware: Machine>: TreeHooks, GapLinks {
  let heap: ObjectHeap<Hardware>

  func hook(of node: Reference<Area>) -> TreeHook<Area> { heap[node].hook }
  func withHook(of node: Reference<Area>, _ body: (inout TreeHook<Area>) -> Void) {
    body(&heap[node].hook)
  }

  func gaps(of node: Reference<Area>) -> Gaps { heap[node].gaps }
  func withGaps(of node: Reference<Area>, _ body: (inout Gaps) -> Void) {
    body(&heap[node].gaps)
  }
}

/// The links of areas in the tree of the file that they map.
struct MappingLinks<Hardware: Machine>: TreeHooks, IntervalLinks {
  let heap: ObjectHeap<Hardware>

  func hook(of node: Reference<Area>) -> TreeHook<Area> { heap[node].mappingHook }
  func withHook(of node: Reference<Area>, _ body: (inout TreeHook<Area>) -> Void) {
    body(&heap[node].mappingHook)
  }

  func firstIndex(of node: Reference<Area>) -> UInt64 { heap[node].fileIndex }
  func lastIndex(of node: Reference<Area>) -> UInt64 { heap[node].lastIndex }
  func subtreeLastIndex(of node: Reference<Area>) -> UInt64 { heap[node].mappingSubtreeLast }
  func setSubtreeLastIndex(of node: Reference<Area>, to index: UInt64) {
    heap[node].mappingSubtreeLast = index
  }
}

/// The links of region links in their region's tree.
struct RegionLinks<Hardware: Machine>: TreeHooks, IntervalLinks {
  let heap: ObjectHeap<Hardware>

  func hook(of node: Reference<AnonymousRegionLink>) -> TreeHook<AnonymousRegionLink> {
    heap[node].hook
  }
  func withHook(
    of node: Reference<AnonymousRegionLink>, _ body: (inout TreeHook<AnonymousRegionLink>) -> Void
  ) {
    body(&heap[node].hook)
  }

  func firstIndex(of node: Reference<AnonymousRegionLink>) -> UInt64 { heap[node].first }
  func lastIndex(of node: Reference<AnonymousRegionLink>) -> UInt64 { heap[node].last }
  func subtreeLastIndex(of node: Reference<AnonymousRegionLink>) -> UInt64 {
    heap[node].subtreeLast
  }
  func setSubtreeLastIndex(of node: Reference<AnonymousRegionLink>, to index: UInt64) {
    heap[node].subtreeLast = index
  }
}
