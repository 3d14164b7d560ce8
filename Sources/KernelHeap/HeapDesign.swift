// SPDX-License-Identifier: Apache-2.0

/// Which of Linux's three allocators makes the objects: chosen when the machine boots (`slab=`).
///
/// All three have the same verbs, references and caches. What a CPU has at hand of the first is
/// in lists that the other two leave empty, so that the choice costs the first nothing.
public enum HeapDesign: UInt8, Sendable, BitwiseCopyable {
  /// A free list in each slab, which CPUs take whole. Linux: mm/slub.c.
  case slub
  /// An array of free objects for each CPU, and slabs with colours. Linux 6.1: mm/slab.c.
  ///
  /// Source: Bonwick, The slab allocator, 1994.
  case slab
  /// Pages cut as requests come, for machines of very little memory. Linux 6.1: mm/slob.c.
  case slob
}
