// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import MemoryUnits
import PageFrames
import Testing

struct ReallocationTests {
  @Test(arguments: HeapDesign.all)
  func `a block that grows or shrinks keeps what both hold`(design: HeapDesign) throws {
    let test = try TestHeap(design: design)
    let heap = KernelHeap(test.heap)
    var block = try heap.allocate(ByteCount(40))
    for offset in 0..<40 { heap.bytes(of: block).store(UInt8(offset), at: offset) }
    for size in [48, 300, 5000, 20_000, 700, 40] {
      block = try heap.reallocate(at: block.surrender(), to: ByteCount(UInt64(size)))
      #expect(block.byteCount >= ByteCount(UInt64(size)))
      let isSame = (0..<40).allSatisfy {
        heap.bytes(of: block).load(UInt8.self, at: $0) == UInt8($0)
      }
      #expect(isSame, "\(size)")
    }
    let nothing = try heap.reallocate(at: block.surrender(), to: .zero)
    #expect(nothing.byteCount == .zero)
    heap.free(nothing)
    _ = test.heap.shrink()
    #expect(test.isWhole)
  }

  @Test func `a block that cannot grow stays as it was`() throws {
    let test = try TestHeap()
    let heap = KernelHeap(test.heap)
    let address = try heap.allocate(ByteCount(64)).surrender()
    #expect(throws: AllocationError.tooLarge) {
      heap.free(try heap.reallocate(at: address, to: ByteCount(1 << 30)))
    }
    let same = try heap.reallocate(at: address, to: ByteCount(60))
    #expect(same.address == address)
    heap.free(same)
  }

  @Test func `an array whose size no number tells is refused`() throws {
    let test = try TestHeap()
    let heap = KernelHeap(test.heap)
    let array = try heap.allocateArray(of: 10, each: ByteCount(12), content: .zeroed)
    #expect(array.byteCount == ByteCount(128))
    heap.free(array)
    for (count, each) in [(Int.max, 16), (1 << 40, UInt64(1) << 40), (-1, 1)] {
      #expect(throws: AllocationError.tooLarge) {
        heap.free(try heap.allocateArray(of: count, each: ByteCount(each)))
      }
    }
  }

  @Test(arguments: [8, 16, 32, 64, 96, 128, 192, 256, 512, 1024, 2048, 4096, 8192])
  func `each of Linux's classes is one of ours, aligned as promised`(size: Int) throws {
    for design in HeapDesign.all {
      let test = try TestHeap(design: design)
      let heap = KernelHeap(test.heap)
      let block = try heap.allocate(ByteCount(UInt64(size)))
      #expect(block.byteCount == ByteCount(UInt64(size)))
      let isPower = size & (size - 1) == 0
      let promised = isPower ? min(size, 4096) : 8
      #expect(block.address.value % UInt64(promised) == 0)
      if design == .slub {
        let index = SlabCaches.typeCount + 36
        let names = (0..<index).compactMap { test.heap.statistics($0).map { "\($0.name)" } }
        let name = size < 1024 ? "\(size)" : "\(size / 1024)k"
        #expect(names == ["kmalloc-\(name)"])
      }
      heap.free(block)
    }
  }
}
