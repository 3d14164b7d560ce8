// SPDX-License-Identifier: Apache-2.0

import FileSystems
import KernelHeap
import KernelMappings
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames

/// Inodes that nobody holds, with their pages. Linux: `super_cache_scan()`.
struct InodeShrinker<M: Machine>: Shrinker {
  let kernel: Kernel<M>

  var freeableCount: Int { kernel.fileSystems.unusedInodeCount }
  var seekCount: Int { 2 }

  func free(_ count: Int) -> Int? {
    let before = freeableCount
    let wanted = UInt32(truncatingIfNeeded: max(before - count, 0))
    guard kernel.fileSystems.shrinkInodes(to: wanted) else { return nil }
    return before - freeableCount
  }
}

/// What CPUs keep of objects that are free: pages that nobody would miss.
struct HeapShrinker<M: Machine>: Shrinker {
  let kernel: Kernel<M>

  var freeableCount: Int { kernel.heap.idlePageCount.value }
  /// They cost nothing to make again.
  var seekCount: Int { 0 }

  func free(_ count: Int) -> Int? {
    let freed = kernel.heap.shrink()
    return freed > .zero ? freed.value : nil
  }
}

/// What the kernel remembers of those whom it asks when memory is short.
///
/// Linux: `shrinker_list`.
struct ShrinkerStates: BitwiseCopyable {
  var inodes = ShrinkerState()
  var heap = ShrinkerState()
}

extension Kernel {
  /// Asks all shrinkers, ever more urgently, until something goes; says whether anything did.
  ///
  /// Linux: `shrink_slab()`.
  func shrinkCaches(_ shortfall: Shortfall) -> Bool {
    // Nothing sleeps here, so that the copy stays true.
    var states = state.value.shrinkers
    defer { state.value.shrinkers = states }
    var priority = ShrinkerState.firstPriority
    while priority >= 0 {
      var freed = states.heap.shrink(HeapShrinker(kernel: self), priority: priority)
      if shortfall.flags.contains(.mayCallFileSystems) {
        freed += states.inodes.shrink(InodeShrinker(kernel: self), priority: priority)
      }
      if freed > 0 { return true }
      priority -= 1
    }
    return false
  }
}
