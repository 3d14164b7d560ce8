// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import MemoryUnits
import PageFrames
import Testing

/// The text's examples of kmalloc and kfree, and of caches with types of their own.
///
/// `Documentation/TheText/KernelMemory.md` has the marked lines.
@Suite struct TheTextKernelHeapTests {
  @Test(arguments: HeapDesign.all)
  func `bytes are allocated, used and freed`(design: HeapDesign) throws {
    let test = try TestHeap(design: design)
    let (heap, size) = (KernelHeap(test.heap), ByteCount(100))

    let block = try heap.allocate(size)
    let bytes = heap.bytes(of: block)
    bytes.store(UInt64(42), at: 8)
    heap.free(block)

    #expect(bytes.byteCount >= 100)
    _ = test.heap.shrink()
    #expect(test.isWhole)
  }

  @Test(arguments: HeapDesign.all)
  func `a type of objects has a cache of its own`(design: HeapDesign) throws {
    let test = try TestHeap(design: design)
    let heap = test.heap

    let object = try heap.allocate(MiddleObject(seed: 1))
    heap[object].seed = 7
    let seed = heap[object].seed
    heap.free(object)
    _ = heap.shrink()

    #expect(seed == 7)
    #expect(test.isWhole)
  }
}
