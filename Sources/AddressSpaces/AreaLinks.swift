// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures
import KernelHeap
import Machine

/// The links of areas in the tree of their address space, which remembers the largest gap.
struct AreaLinks<Hardware: Machine>: TreeLinks {
  typealias Node = Reference<Area>
  let heap: ObjectHeap<Hardware>

  func left(of node: Node) -> Node? { heap[node].left.reference }
  func right(of node: Node) -> Node? { heap[node].right.reference }
  func parent(of node: Node) -> Node? { heap[node].parent.reference }
  func height(of node: Node) -> UInt8 { heap[node].height }
  func setLeft(of node: Node, to child: Node?) { heap[node].left = Link(child) }
  func setRight(of node: Node, to child: Node?) { heap[node].right = Link(child) }
  func setParent(of node: Node, to parent: Node?) { heap[node].parent = Link(parent) }
  func setHeight(of node: Node, to height: UInt8) { heap[node].height = height }

  func update(_ node: Node) -> Bool {
    var largest = heap[node].gapBefore
    if let left = left(of: node) { largest = max(largest, heap[left].largestGap) }
    if let right = right(of: node) { largest = max(largest, heap[right].largestGap) }
    if largest == heap[node].largestGap { return false }
    heap[node].largestGap = largest
    return true
  }
}

/// The links of areas in the tree of the file that they map.
struct MappingLinks<Hardware: Machine>: IntervalLinks {
  typealias Node = Reference<Area>
  let heap: ObjectHeap<Hardware>

  func left(of node: Node) -> Node? { heap[node].mappingLeft.reference }
  func right(of node: Node) -> Node? { heap[node].mappingRight.reference }
  func parent(of node: Node) -> Node? { heap[node].mappingParent.reference }
  func height(of node: Node) -> UInt8 { heap[node].mappingHeight }
  func setLeft(of node: Node, to child: Node?) { heap[node].mappingLeft = Link(child) }
  func setRight(of node: Node, to child: Node?) { heap[node].mappingRight = Link(child) }
  func setParent(of node: Node, to parent: Node?) { heap[node].mappingParent = Link(parent) }
  func setHeight(of node: Node, to height: UInt8) { heap[node].mappingHeight = height }

  func firstIndex(of node: Node) -> UInt64 { heap[node].fileIndex }
  func lastIndex(of node: Node) -> UInt64 { heap[node].lastIndex }
  func subtreeLastIndex(of node: Node) -> UInt64 { heap[node].mappingSubtreeLast }
  func setSubtreeLastIndex(of node: Node, to index: UInt64) {
    heap[node].mappingSubtreeLast = index
  }
}

/// The links of region links in their region's tree.
struct RegionLinks<Hardware: Machine>: IntervalLinks {
  typealias Node = Reference<AnonymousRegionLink>
  let heap: ObjectHeap<Hardware>

  func left(of node: Node) -> Node? { heap[node].left.reference }
  func right(of node: Node) -> Node? { heap[node].right.reference }
  func parent(of node: Node) -> Node? { heap[node].parent.reference }
  func height(of node: Node) -> UInt8 { heap[node].height }
  func setLeft(of node: Node, to child: Node?) { heap[node].left = Link(child) }
  func setRight(of node: Node, to child: Node?) { heap[node].right = Link(child) }
  func setParent(of node: Node, to parent: Node?) { heap[node].parent = Link(parent) }
  func setHeight(of node: Node, to height: UInt8) { heap[node].height = height }

  func firstIndex(of node: Node) -> UInt64 { heap[node].first }
  func lastIndex(of node: Node) -> UInt64 { heap[node].last }
  func subtreeLastIndex(of node: Node) -> UInt64 { heap[node].subtreeLast }
  func setSubtreeLastIndex(of node: Node, to index: UInt64) { heap[node].subtreeLast = index }
}
