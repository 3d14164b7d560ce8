// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import Machine
import MemoryUnits
import PageFrames

/// An object of the suites.
struct SelfTestObject: HeapObject {
  static var cacheName: StaticString { "selftest" }
  static var cacheIndex: Int { 13 }

  var number: Int
  var next = Link<SelfTestObject>.none
  var rest = InlineArray<10, UInt64>(repeating: 0x5E1F_7E57)
}

// Objects and bytes of the heap.

extension SelfTests {
  func testSlab(_ checks: inout SelfTestChecks) throws(AllocationError) {
    let before = liveCount
    var first = Link<SelfTestObject>.none
    for number in 0..<500 {
      let object = try heap.allocate(SelfTestObject(number: number))
      heap[object].next = first
      first = Link(object)
    }
    checks.check(liveCount == before + 500, "a cache counts its objects")
    var expected = 499
    var isWhole = true
    while let object = first.reference {
      isWhole = isWhole && heap[object].number == expected && isUntouched(object)
      expected -= 1
      first = heap[object].next
      heap.free(object)
    }
    checks.check(isWhole && expected == -1, "no object is written by another's owner")
    checks.check(liveCount == before, "freed objects are not counted")
    _ = heap.shrink()
    // SLOB has no slabs of one type: `run` sees its pages come back.
    let slabs = heap.statistics(SelfTestObject.cacheIndex)?.slabCount ?? -1
    checks.check(slabs == 0 || heap.design == .slob, "empty slabs are given back")
  }

  private var liveCount: Int {
    heap.statistics(SelfTestObject.cacheIndex)?.liveObjectCount ?? 0
  }

  private func isUntouched(_ object: Reference<SelfTestObject>) -> Bool {
    for index in 0..<10 where heap[object].rest[index] != 0x5E1F_7E57 { return false }
    return true
  }

  func testKernelHeap(_ checks: inout SelfTestChecks) throws(AllocationError) {
    var size: UInt64 = 1
    while size <= 1 << 20 {
      try checkBytes(ByteCount(size), &checks)
      try checkBytes(ByteCount(size + 1), &checks)
      size *= 2
    }
    let bytes = KernelHeap(heap)
    let none = try bytes.allocate(.zero)
    checks.check(none.byteCount == .zero, "no bytes are no bytes")
    bytes.free(none)
    do throws(AllocationError) {
      bytes.free(try bytes.allocate(ByteCount(1 << 40)))
      checks.check(false, "what is too large is refused")
    } catch {
      checks.check(error == .tooLarge, "what is too large is refused")
    }
  }

  private func checkBytes(
    _ size: ByteCount, _ checks: inout SelfTestChecks
  ) throws(AllocationError) {
    let bytes = KernelHeap(heap)
    let block = try bytes.allocate(size, content: .zeroed)
    let memory = bytes.bytes(of: block)
    let last = Int(size.value) - 1
    checks.check(block.byteCount >= size, "a block has the bytes that were asked for")
    checks.check(block.address.value & 7 == 0, "a block is aligned to 8 bytes")
    checks.check(
      memory.load(UInt8.self, at: 0) == 0 && memory.load(UInt8.self, at: last) == 0,
      "zeroed bytes are zero")
    memory.store(0x5A as UInt8, at: 0)
    memory.store(0xA5 as UInt8, at: last)
    checks.check(memory.load(UInt8.self, at: last) == 0xA5, "bytes keep what is written")
    bytes.free(bytes.adopt(block.surrender()))
  }
}
