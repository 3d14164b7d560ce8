// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures
import KernelHeap
import Machine
import MemoryUnits
import PageTableFormats

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

  /// Whether the pages are its own and go with it. Linux: `VM_ALLOC`.
  var hasMemory: Bool { self == .memory || self == .kernelStack }
}

/// How the CPU may keep what it reads and writes of a device.
public enum DeviceCaching: UInt8, Sendable, BitwiseCopyable {
  /// Every access goes out, in order: registers. Linux: `ioremap()`.
  case none
  /// Writes may be put together: pictures. Linux: `ioremap_wc()`.
  case writeCombining
  /// What is read may be kept. Linux: `ioremap_wt()`.
  case writeThrough
  /// As memory: tables of firmware. Linux: `ioremap_cache()`.
  case writeBack

  var protection: Protection {
    switch self {
    case .none: .device
    case .writeCombining: .writeCombining
    case .writeThrough: .device.union(.writeCombining)
    case .writeBack: .inaccessible
    }
  }
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
  /// Of a device: where its registers are.
  var device = PhysicalAddress(0)
  /// Who asked for it.
  let caller: StaticString
  /// In pages.
  var gaps = Gaps()
  var hook = TreeHook<VirtualArea>()
  /// The next lazy area.
  var nextLazy = Link<VirtualArea>.none

  init(
    start: PageNumber, pageCount: PageCount, purpose: VirtualAreaPurpose, caller: StaticString
  ) {
    self.caller = caller
    self.start = start
    self.pageCount = pageCount
    self.purpose = purpose
  }

  /// The first page behind the guard page.
  var end: PageNumber { start + pageCount + PageCount(1) }
}

/// The links of areas in the tree of addresses, which remembers the largest gap.
struct VirtualAreaLinks<M: Machine>: TreeHooks, GapLinks {
  let heap: ObjectHeap<M>

  func hook(of node: Reference<VirtualArea>) -> TreeHook<VirtualArea> { heap[node].hook }
  func withHook(of node: Reference<VirtualArea>, _ body: (inout TreeHook<VirtualArea>) -> Void) {
    body(&heap[node].hook)
  }

  func gaps(of node: Reference<VirtualArea>) -> Gaps { heap[node].gaps }
  func withGaps(of node: Reference<VirtualArea>, _ body: (inout Gaps) -> Void) {
    body(&heap[node].gaps)
  }
}
