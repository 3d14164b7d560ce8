// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures
import KernelHeap
import Machine
import PageFrames

/// A node of a file's table of pages: 64 slots.
///
/// Linux: `struct xa_node`.
public struct PageCacheNode: HeapObject {
  public static var cacheName: StaticString { "radix_tree_node" }
  public static var cacheIndex: Int { 5 }

  var slots = InlineArray<64, UInt32>(repeating: 0)
  /// Slots that are dirty, or have something dirty below them.
  var marks: UInt64 = 0
  var occupiedCount: UInt8 = 0
}

/// Makes and finds the nodes of files' tables.
struct PageCacheNodes<Hardware: Machine>: RadixNodes {
  typealias Node = Reference<PageCacheNode>
  let heap: ObjectHeap<Hardware>

  func makeNode() throws(AllocationError) -> Node { try heap.allocate(PageCacheNode()) }
  func freeNode(_ node: Node) { heap.free(node) }

  func slot(_ index: Int, of node: Node) -> UInt32 { heap[node].slots[index] }
  func setSlot(_ index: Int, of node: Node, to value: UInt32) { heap[node].slots[index] = value }
  func occupiedCount(of node: Node) -> UInt8 { heap[node].occupiedCount }
  func setOccupiedCount(of node: Node, to count: UInt8) { heap[node].occupiedCount = count }
  func marks(of node: Node) -> UInt64 { heap[node].marks }
  func setMarks(of node: Node, to marks: UInt64) { heap[node].marks = marks }

  func packed(_ node: Node) -> UInt32 { node.raw }
  func unpacked(_ value: UInt32) -> Node { Reference(raw: value) }
}
