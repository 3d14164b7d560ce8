// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import Machine
import MemoryUnits
import PageFrames

// How the three designs of the heap lay out their pages: what holds of one does not of the others.

extension SelfTests {
  func testHeapDesign(_ checks: inout SelfTestChecks) throws(AllocationError) {
    switch heap.design {
    case .slub: checks.note("slub")
    case .slab: checks.note("slab")
    case .slob: checks.note("slob")
    }
    _ = heap.shrink()
    let tunables = try tunables()
    checks.check(
      (tunables.limit > 0) == (heap.design == .slab), "only arrays have a limit to tune")
    checks.check(
      tunables.batchCount == (tunables.limit + 1) / 2, "and are filled half at a time")
    // What is around a watched object is no longer the design's.
    guard !heap.isWatched else { return }
    switch heap.design {
    case .slub: try checkLists(&checks)
    case .slab: try checkArrays(&checks)
    case .slob: try checkUnits(&checks)
    }
  }

  private func tunables() throws(AllocationError) -> (limit: Int, batchCount: Int) {
    let object = try heap.allocate(SelfTestObject(number: 0))
    defer { heap.free(object) }
    return heap.statistics(SelfTestObject.cacheIndex)?.tunables ?? (0, 0)
  }

  private func makeEight() throws(AllocationError) -> InlineArray<8, Reference<SelfTestObject>> {
    _ = heap.shrink()
    let first = try heap.allocate(SelfTestObject(number: 0))
    var objects = InlineArray<8, Reference<SelfTestObject>>(repeating: first)
    for number in 1..<8 { objects[number] = try heap.allocate(SelfTestObject(number: number)) }
    return objects
  }

  private func address(_ object: Reference<SelfTestObject>) -> PhysicalAddress {
    PhysicalAddress(UInt64(object.raw) << 3)
  }

  /// `slub`: a slab's objects in order, and a free one says which is the next.
  private func checkLists(_ checks: inout SelfTestChecks) throws(AllocationError) {
    let objects = try makeEight()
    let size = MemoryLayout<SelfTestObject>.stride
    checks.check(
      address(objects[0]).offsetInFrame == .zero, "the first object begins its slab")
    for number in 1..<8 {
      checks.check(
        address(objects[number]) - address(objects[0]) == ByteCount(UInt64(number * size)),
        "a new slab gives its objects in order")
    }
    heap.free(objects[2])
    heap.free(objects[5])
    checks.check(
      holds(objects[5], objects[2].raw), "a free object says which is free after it")
    let again = try heap.allocate(SelfTestObject(number: 5))
    checks.check(again == objects[5], "what was freed last is given first")
    heap.free(again)
    for number in 0..<8 where number != 2 && number != 5 { heap.free(objects[number]) }
  }

  /// Whether a freed object has a word in its bytes.
  private func holds(_ object: Reference<SelfTestObject>, _ word: UInt32) -> Bool {
    let map = frames.machine.directMap
    for offset in stride(from: 0, to: MemoryLayout<SelfTestObject>.stride, by: 4) {
      let place = address(object) + ByteCount(UInt64(offset))
      if map.load(UInt32.self, at: place) == word { return true }
    }
    return false
  }

  /// `slab`: an array gives the last of its objects, which keep their bytes; slabs have colours.
  private func checkArrays(_ checks: inout SelfTestChecks) throws(AllocationError) {
    let objects = try makeEight()
    let size = MemoryLayout<SelfTestObject>.stride
    for number in 1..<8 {
      checks.check(
        address(objects[0]) - address(objects[number]) == ByteCount(UInt64(number * size)),
        "an array gives the last object of a slab first")
    }
    for number in 0..<8 { heap.free(objects[number]) }
    for number in 0..<7 {
      let map = frames.machine.directMap
      let place = address(objects[number]) + ByteCount(16)
      checks.check(
        map.load(UInt64.self, at: place) == 0x5E1F_7E57, "a free object keeps its bytes")
    }
    try checkColours(&checks)
  }

  /// Four blocks of 896 bytes leave room for four beginnings in a page.
  private func checkColours(_ checks: inout SelfTestChecks) throws(AllocationError) {
    let bytes = KernelHeap(heap)
    var places = InlineArray<16, PhysicalAddress>(repeating: PhysicalAddress(0))
    var colours: UInt64 = 0
    var isAtLine = true
    for number in 0..<16 {
      places[number] = try bytes.allocate(ByteCount(896)).surrender()
      let colour = places[number].offsetInFrame.value % 896
      isAtLine = isAtLine && colour % 128 == 0
      colours |= 1 << (colour / 128)
    }
    checks.check(isAtLine, "a slab begins at a cache line")
    checks.check(colours.nonzeroBitCount > 1, "and not at the same one as the slab before")
    for number in 0..<16 { bytes.free(at: places[number]) }
  }

  /// `slob`: blocks of whatever kind one behind the other, each as long as it was asked for.
  private func checkUnits(_ checks: inout SelfTestChecks) throws(AllocationError) {
    let bytes = KernelHeap(heap)
    let objects = try makeEight()
    var places = InlineArray<8, PhysicalAddress>(repeating: PhysicalAddress(0))
    var shared = 0
    for number in 0..<8 {
      let asked = ByteCount(UInt64(101 + number))
      let block = try bytes.allocate(asked)
      checks.check(
        block.byteCount.value == (asked.value + 1) & ~1, "a block has what was asked for, by twos")
      places[number] = block.surrender()
      let header = PhysicalAddress(places[number].value - 8)
      checks.check(
        frames.machine.directMap.load(UInt32.self, at: header) == UInt32(asked.value),
        "its size stands before it")
      for other in 0..<8 where address(objects[other]).frame == places[number].frame { shared += 1 }
    }
    checks.check(shared > 0, "objects and bytes lie in one page")
    for number in 0..<8 {
      bytes.free(at: places[number])
      heap.free(objects[number])
    }
  }
}
