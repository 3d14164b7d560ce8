// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import MemoryUnits
import PageFrames
import Testing

/// The three designs differ where their pages are looked at.
struct HeapDesignTests {
  /// Where the first objects of some sizes lie, counted from the lowest of them.
  private static func layout(_ design: HeapDesign) throws -> [Int] {
    let test = try TestHeap(design: design, isTracked: false)
    let heap = KernelHeap(test.heap)
    var places: [UInt64] = []
    for size in [24, 24, 200, 24, 200, 1000] {
      places.append(try heap.allocate(ByteCount(UInt64(size))).surrender().value)
    }
    let frames = Set(places.map { $0 >> 12 }).sorted()
    return places.map { frames.firstIndex(of: $0 >> 12)! * 4096 + Int($0 & 4095) }
  }

  @Test func `a dump of their pages tells the designs apart`() throws {
    // Objects of a size in a slab each; in the second the last first, after the colour; in the
    // third one after the other, small ones, larger ones and the largest on pages of their own.
    let dumps = try HeapDesign.all.map(Self.layout)
    #expect(Set(dumps).count == 3, "\(dumps)")
    let units = dumps[2]
    #expect(units[1] - units[0] == 32 && units[3] - units[0] == 64 + 208, "\(units)")
  }

  @Test func `slabs begin at cache lines in turn, and go round`() throws {
    let test = try TestHeap(design: .slab, isTracked: false)
    let heap = KernelHeap(test.heap)
    // Four of 896 bytes in a page leave eight lines of 64 bytes.
    let geometry = ArrayGeometry(objectByteCount: 896, alignment: 128)
    #expect(geometry.order == .zero && geometry.objectsPerSlab == 4)
    #expect(geometry.colourByteCount == 128 && geometry.colourCount == 4)
    var colours: [Int] = []
    var seen: Set<UInt64> = []
    for _ in 0..<24 {
      let address = try heap.allocate(ByteCount(896)).surrender()
      guard seen.insert(address.value >> 12).inserted else { continue }
      colours.append(Int(address.value & 4095) % 896)
    }
    #expect(colours.allSatisfy { $0 % 128 == 0 } && Set(colours).count == 4, "\(colours)")
  }

  @Test(arguments: [
    (16, 0, 240, 120), (64, 0, 64, 120), (128, 0, 32, 120), (256, 0, 16, 120), (264, 0, 15, 54),
    (512, 0, 8, 54), (1024, 0, 4, 54), (1032, 1, 7, 24), (2048, 0, 2, 24), (4096, 0, 1, 24),
    (5120, 1, 1, 8), (8192, 1, 1, 8),
  ])
  func `arrays: order, objects and limit are those of Linux 6.1`(
    size: Int, order: UInt8, objects: Int, limit: Int
  ) {
    let geometry = ArrayGeometry(objectByteCount: size)
    #expect(geometry.order == Order(order) && geometry.objectsPerSlab == objects)
    #expect(geometry.limit == limit && geometry.batchCount == (limit + 1) / 2)
  }

  @Test func `reaping gives back a fifth of what was not touched, and slabs`() throws {
    let test = try TestHeap(design: .slab)
    let heap = KernelHeap(test.heap)
    let blocks = try (0..<600).map { _ in try heap.allocate(ByteCount(64)).surrender() }
    for block in blocks { heap.free(at: block) }
    let before = test.heap.pageCount
    test.heap.reap()
    for _ in 0..<40 { test.heap.reap() }
    test.heap.checkInvariants()
    #expect(test.heap.pageCount < before)
    #expect(test.isWhole, "all was given back in the end")
  }

  /// Watched, too, by who lets allocations fail: a block goes back as large as it was cut.
  @Test(arguments: [false, true])
  func `pages that are cut at will join what was freed, whatever the order`(
    isWatched: Bool
  ) throws {
    let failures = FailureInjection(
      interval: 1, probability: 100, space: 1 << 30, times: 1, seed: 1)
    let test = try TestHeap(
      design: .slob, isTracked: !isWatched, failures: isWatched ? failures : .none)
    let heap = KernelHeap(test.heap)
    var blocks = try (0..<300).map {
      try heap.allocate(ByteCount(UInt64(1 + $0 * 7 % 240))).surrender()
    }
    let full = test.heap.pageCount
    for start in [1, 0] {
      for index in stride(from: start, to: 300, by: 2).reversed() {
        heap.free(at: blocks[index])
      }
      test.heap.checkInvariants()
    }
    #expect(test.isWhole && full > PageCount(8))
    blocks = []
  }
}
