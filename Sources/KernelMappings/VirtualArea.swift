// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures
import KernelHeap
import Machine
import MemoryUnits

/// What an area of the kernel's own addresses is for; /proc/vmallocinfo tells.
public enum VirtualAreaPurpose: UInt8, Sendable, BitwiseCopyable {
  /// Memory from scattered frames. Linux: `VM_ALLOC`.
  case memory
  /// A task's kernel stack. Linux: `VM_ALLOC` of `alloc_thread_stack_node()`.
  case kernelStack
  /// Frames that somebody has already. Linux: `VM_MAP`.
  case frames
  /// Device registers. Linux: `VM_IOREMAP`.
  case device
  /// Memory shared with a device. Linux: `VM_DMA_COHERENT`.
  case coherent
}

/// A run of the kernel's own addresses, with the page behind it that nothing maps.
///
/// Linux: `struct vmap_area`, `struct vm_struct`.
struct VirtualArea: HeapObject {
  static var cacheName: StaticString { "vmap_area" }
  static var cacheIndex: Int { 58 }

  var start: PageNumber
  /// Without the guard page.
  var pageCount: PageCount
  var purpose: VirtualAreaPurpose
  /// Unmapped, but its addresses may be in a CPU's cache of translations still.
  var isLazy = false
  var height: UInt8 = 0
  /// Of a device: where its registers are.
  var device = PhysicalAddress(0)
  /// Free pages between the area before it, or the beginning, and this one.
  var gapBefore: UInt64 = 0
  /// The largest `gapBefore` of the subtree.
  var largestGap: UInt64 = 0
  var left = Link<VirtualArea>.none
  var right = Link<VirtualArea>.none
  var parent = Link<VirtualArea>.none
  /// The next lazy area.
  var nextLazy = Link<VirtualArea>.none

  init(start: PageNumber, pageCount: PageCount, purpose: VirtualAreaPurpose) {
    self.start = start
    self.pageCount = pageCount
    self.purpose = purpose
  }

  /// The first page behind the guard page.
  var end: PageNumber { start + pageCount + PageCount(1) }
}

/// The links of areas in the tree of addresses, which remembers the largest gap.
struct VirtualAreaLinks<M: Machine>: TreeLinks {
  typealias Node = Reference<VirtualArea>
  let heap: ObjectHeap<M>

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
