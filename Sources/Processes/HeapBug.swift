// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures
import KernelHeap
import LinuxABI
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames

/// A bug that is made on purpose when the machine has booted, so that its report can be seen.
///
/// Linux: drivers/misc/lkdtm/heap.c, by the same names.
enum HeapBug: BitwiseCopyable {
  case linearOverflow, writeAfterFree, doubleFree, crossFree, pageFree
  /// A write behind a block of frames, of which Linux has none.
  case frameOverflow

  init?(_ word: MemoryBlock) {
    if HeapWords.isSame(word, "SLAB_LINEAR_OVERFLOW") {
      self = .linearOverflow
    } else if HeapWords.isSame(word, "WRITE_AFTER_FREE") {
      self = .writeAfterFree
    } else if HeapWords.isSame(word, "SLAB_FREE_DOUBLE") {
      self = .doubleFree
    } else if HeapWords.isSame(word, "SLAB_FREE_CROSS") {
      self = .crossFree
    } else if HeapWords.isSame(word, "SLAB_FREE_PAGE") {
      self = .pageFree
    } else if HeapWords.isSame(word, "PAGE_LINEAR_OVERFLOW") {
      self = .frameOverflow
    } else {
      return nil
    }
  }
}

extension Kernel {
  /// Makes the bug, in a heap that watches for it.
  ///
  /// - Throws: `outOfMemory`.
  func make(_ bug: HeapBug) throws(AllocationError) {
    let bytes = KernelHeap(heap)
    let block = try bytes.allocate(ByteCount(64))
    let address = block.surrender()
    let map = machine.directMap
    switch bug {
    case .linearOverflow:
      map.store(UInt8(0x41), at: address + ByteCount(64))
      bytes.free(at: address)
    case .writeAfterFree:
      bytes.free(at: address)
      map.store(UInt8(0x41), at: address + ByteCount(32))
      // In the designs that keep objects for a while the same one comes again.
      bytes.free(at: try bytes.allocate(ByteCount(64)).surrender())
    case .doubleFree:
      bytes.free(at: address)
      bytes.free(at: address)
    case .crossFree:
      heap.free(Reference<SignalState>(raw: UInt32(truncatingIfNeeded: address.value >> 3)))
      bytes.free(at: address)
    case .pageFree:
      let frame = try frames.allocate(FrameRequest(kind: .kernelStack)).surrender()
      bytes.free(at: frame.address)
      frames.free(.adopt(frame))
      bytes.free(at: address)
    case .frameOverflow:
      let frame = try frames.allocate(FrameRequest()).surrender()
      map.store(UInt8(0x41), at: (frame + PageCount(1)).address)
      frames.free(.adopt(frame))
      bytes.free(at: address)
    }
  }
}
