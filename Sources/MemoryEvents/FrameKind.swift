// SPDX-License-Identifier: Apache-2.0

/// What a frame is used for; the union in its descriptor is read by this.
///
/// The numbers are part of the log's schema: they are never given to another kind.
public enum FrameKind: UInt8, Sendable, BitwiseCopyable {
  /// Not RAM, or RAM that nobody may have: holes, firmware, the kernel's image, boot tables.
  case reserved = 0
  /// In the page allocator: in a buddy list or in a CPU's list.
  case free = 1
  /// Taken from the page allocator for no special use. Linux: `alloc_pages()`.
  case plain = 2
  /// Objects of a slab cache.
  case slab = 3
  /// A page table of any level.
  case pageTable = 4
  /// A task's kernel stack.
  case kernelStack = 5
  /// A page of a program that no file stands behind: heap, stack, private copies.
  case anonymous = 6
  /// A page of a file, in the page cache.
  case file = 7
  /// Memory that devices read and write. Linux: `dma_alloc_coherent()`.
  case dma = 8
}

// The list of all cases is an array, which a kernel has no heap for.
#if !hasFeature(Embedded)
  extension FrameKind: CaseIterable {}
#endif
