// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import MemoryUnits
import PageFrames
import SimulatedMachine
import Testing

struct KernelHeapTests {
  @Test(arguments: [
    (1, 8), (8, 8), (9, 16), (16, 16), (17, 24), (33, 40), (57, 64), (64, 64), (65, 80), (80, 80),
    (81, 96), (97, 112), (128, 128), (129, 160), (192, 192), (193, 224), (257, 320), (513, 640),
    (1024, 1024), (1025, 1280), (2049, 2560), (4000, 4096), (4097, 5120), (7169, 8192),
    (8192, 8192), (8193, 16384), (16385, 32768),
  ])
  func `bytes come in size classes, aligned to the class`(asked: Int, given: Int) throws {
    let test = try TestHeap()
    let heap = KernelHeap(test.heap)
    let block = try heap.allocate(ByteCount(UInt64(asked)), content: .zeroed)
    let alignment = min(given & -given, 4096)
    #expect(block.byteCount == ByteCount(UInt64(given)))
    #expect(block.address.value % UInt64(alignment) == 0)
    let bytes = heap.bytes(of: block)
    #expect(bytes.byteCount == given)
    #expect((0..<given).allSatisfy { bytes.load(UInt8.self, at: $0) == 0 })
    heap.free(block)
    _ = test.heap.shrink()
    #expect(test.isWhole)
  }

  @Test(arguments: HeapDesign.all)
  func `blocks up to four mebibytes come from the page allocator, larger are refused`(
    design: HeapDesign
  ) throws {
    let test = try TestHeap(frameCount: 4096, design: design, isTracked: false)
    let heap = KernelHeap(test.heap)
    let largest = try heap.allocate(ByteCount(4 << 20))
    #expect(largest.byteCount == ByteCount(4 << 20))
    heap.free(largest)
    for asked in [4 << 20 + 1, UInt64(1) << 40, .max] as [UInt64] {
      #expect(throws: AllocationError.tooLarge) {
        heap.free(try heap.allocate(ByteCount(asked)))
      }
    }
    #expect(test.isWhole)
  }

  @Test(arguments: HeapDesign.all)
  func `no bytes have an address, and it can be freed`(design: HeapDesign) throws {
    let test = try TestHeap(design: design)
    let heap = KernelHeap(test.heap)
    let block = try heap.allocate(.zero)
    #expect(block.address == PhysicalAddress(16) && block.byteCount == .zero)
    #expect(heap.bytes(of: block).byteCount == 0)
    heap.free(heap.adopt(block.surrender()))
    #expect(test.isWhole)
  }

  @Test(arguments: HeapDesign.all, [1, 2, 3] as [UInt64])
  func `blocks of all sizes keep their contents, and are known by their address`(
    design: HeapDesign, seed: UInt64
  ) throws {
    let test = try TestHeap(frameCount: 1024, design: design)
    let heap = KernelHeap(test.heap)
    var generator = SeededGenerator(seed: seed)
    var live: [(address: PhysicalAddress, byteCount: Int, mark: UInt8)] = []
    for step in 0..<2000 {
      if Int.random(in: 0..<10, using: &generator) < (step / 250 % 2 == 0 ? 7 : 3) {
        let asked = 1 << Int.random(in: 0..<14, using: &generator)
        let size = Int.random(in: 1...asked, using: &generator)
        do {
          let block = try heap.allocate(ByteCount(UInt64(size)))
          let mark = UInt8.random(in: 0...255, using: &generator)
          let bytes = heap.bytes(of: block)
          for offset in 0..<bytes.byteCount { bytes.store(mark, at: offset) }
          live.append((block.surrender(), bytes.byteCount, mark))
        } catch {
          #expect(error == .outOfMemory)
        }
      } else if let index = live.indices.randomElement(using: &generator) {
        let victim = live.remove(at: index)
        let block = heap.adopt(victim.address)
        #expect(block.byteCount == ByteCount(UInt64(victim.byteCount)))
        let bytes = heap.bytes(of: block)
        let isIntact = (0..<victim.byteCount).allSatisfy {
          bytes.load(UInt8.self, at: $0) == victim.mark
        }
        #expect(isIntact, "seed \(seed), step \(step)")
        heap.free(block)
      }
      if step % 250 == 0 { test.heap.checkInvariants() }
    }
    for block in live { heap.free(heap.adopt(block.address)) }
    test.heap.checkInvariants()
    _ = test.heap.shrink()
    #expect(test.isWhole, "seed \(seed)")
  }

  @Test func `slabinfo has the names, sizes and counts of the caches`() throws {
    let test = try TestHeap()
    let heap = KernelHeap(test.heap)
    #expect(test.heap.statistics(SlabCaches.typeCount + 23) == nil)
    let block = try heap.allocate(ByteCount(1000))
    let line = try #require(test.heap.statistics(SlabCaches.typeCount + 23))
    #expect("\(line.name)" == "kmalloc-1k")
    #expect(line.objectByteCount == ByteCount(1024) && line.objectsPerSlab == 8)
    #expect(line.pagesPerSlab == PageCount(2) && line.slabCount == 1)
    // As on Linux, the objects in a CPU's hands count as active.
    #expect(line.objectCount == 8 && line.activeObjectCount == 8)
    #expect(line.liveObjectCount == 1)
    #expect(test.heap.pageCount == PageCount(2))
    heap.free(block)
    #expect(test.heap.shrink() == PageCount(2))
  }
}
