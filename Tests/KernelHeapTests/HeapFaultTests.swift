// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import MemoryUnits
import PageFrames
import Testing

/// Each misuse is made, and the report names it; all others go on.
struct HeapFaultTests {
  private static let designs: [HeapDesign] = [.slub, .slab]

  private static func name(_ fault: HeapFault) -> String { "\(fault.cacheName)" }

  private static func file(_ owner: ObjectOwner?) -> String {
    guard let owner else { return "" }
    var bytes: [UInt8] = []
    while let byte = owner.place.file.byte(bytes.count) { bytes.append(byte) }
    return String(decoding: bytes, as: UTF8.self)
  }

  @Test(arguments: HeapDesign.all)
  func `a byte behind an object is found at its free, with who allocated it`(
    design: HeapDesign
  ) throws {
    let test = try TestHeap(design: design, debugging: .all)
    let object = try test.heap.allocate(MiddleObject(seed: 1))
    let line = UInt32(#line - 1)
    let start = PhysicalAddress(UInt64(object.raw) * 8)
    test.machine.directMap.store(UInt8(0x41), at: start + ByteCount(66))
    #expect(test.heap.faultCount == 0)
    test.heap.free(object)
    let fault = try #require(test.heap.lastFault)
    #expect(fault.kind == .writtenAfter && Self.name(fault) == (design == .slob ? "" : "middle"))
    #expect(fault.object == start && fault.offset == 66)
    #expect(fault.found == 0x41 && fault.expected == 0xCC)
    #expect(Self.file(fault.allocator) == "KernelHeapTests/HeapFaultTests.swift")
    #expect(fault.allocator?.place.line == line)
    #expect(test.heap.faultCount == 1)
    _ = test.heap.shrink()
    #expect(test.isWhole)
  }

  @Test(arguments: designs)
  func `a byte before an object is found at its free`(design: HeapDesign) throws {
    let test = try TestHeap(design: design, debugging: .redZones)
    let object = try test.heap.allocate(SmallObject(seed: 1))
    let start = PhysicalAddress(UInt64(object.raw) * 8)
    test.machine.directMap.store(UInt8(0), at: PhysicalAddress(start.value - 3))
    test.heap.free(object)
    #expect(test.heap.lastFault?.kind == .writtenBefore && test.heap.lastFault?.offset == -3)
    #expect(test.heap.lastFault?.allocator == nil, "nobody asked for owners")
  }

  @Test(arguments: designs)
  func `a write to a free object is found when it is allocated again, with who freed it`(
    design: HeapDesign
  ) throws {
    let test = try TestHeap(design: design, debugging: .all)
    let object = try test.heap.allocate(MiddleObject(seed: 1))
    test.heap.free(object)
    let line = UInt32(#line - 1)
    let start = PhysicalAddress(UInt64(object.raw) * 8)
    test.machine.directMap.store(UInt8(7), at: start + ByteCount(40))
    let again = try test.heap.allocate(MiddleObject(seed: 2))
    #expect(again == object)
    let fault = try #require(test.heap.lastFault)
    #expect(fault.kind == .writtenWhileFree && fault.offset == 40)
    #expect(fault.found == 7 && fault.expected == 0x6B)
    #expect(fault.freer?.place.line == line)
    test.heap.free(again)
    #expect(test.heap.faultCount == 1)
  }

  @Test(arguments: HeapDesign.all)
  func `a second free is refused and named, and others go on`(design: HeapDesign) throws {
    let test = try TestHeap(design: design, debugging: .all)
    let other = try test.heap.allocate(MiddleObject(seed: 3))
    let object = try test.heap.allocate(MiddleObject(seed: 1))
    test.heap.free(object)
    test.heap.free(object)
    #expect(test.heap.lastFault?.kind == .freedTwice)
    #expect(test.heap.lastFault?.allocator != nil && test.heap.lastFault?.freer != nil)
    #expect(test.heap[other] == MiddleObject(seed: 3))
    test.heap.free(other)
    test.heap.checkInvariants()
    _ = test.heap.shrink()
    #expect(test.isWhole)
  }

  @Test(arguments: designs)
  func `a free to another cache is refused and named`(design: HeapDesign) throws {
    let test = try TestHeap(design: design, debugging: .all)
    let object = try test.heap.allocate(MiddleObject(seed: 1))
    test.heap.free(try test.heap.allocate(SmallObject(seed: 1)))
    test.heap.free(Reference<SmallObject>(raw: object.raw))
    #expect(test.heap.lastFault?.kind == .wrongCache)
    #expect(test.heap.lastFault.map(Self.name) == "middle")
    #expect(test.heap.lastFault?.allocator != nil)
    #expect(test.heap[object] == MiddleObject(seed: 1))
    test.heap.free(object)
    #expect(test.heap.faultCount == 1)
  }

  @Test(arguments: designs)
  func `a free of the middle of an object is refused and named`(design: HeapDesign) throws {
    let test = try TestHeap(design: design, debugging: .all)
    let object = try test.heap.allocate(MiddleObject(seed: 1))
    test.heap.free(Reference<MiddleObject>(raw: object.raw + 1))
    #expect(test.heap.lastFault?.kind == .insideObject)
    test.heap.free(object)
    #expect(test.heap.faultCount == 1)
  }

  @Test(arguments: HeapDesign.all)
  func `a free of what was never allocated, or is another's, is named without being asked to`(
    design: HeapDesign
  ) throws {
    let test = try TestHeap(design: design, isTracked: false)
    let bytes = KernelHeap(test.heap)
    let stack = try test.frames.allocate(FrameRequest(kind: .kernelStack)).surrender()
    bytes.free(at: stack.address)
    #expect(test.heap.lastFault?.kind == .notOwned)
    #expect(test.heap.lastFault?.object == stack.address)
    bytes.free(at: PhysicalAddress(1 << 40))
    bytes.free(at: PhysicalAddress(8192 + 24))
    #expect(test.heap.faultCount == 3)
    // The page allocator's, although of the kind that large blocks have too.
    let block = try test.frames.allocate(FrameRequest(order: Order(2))).surrender()
    bytes.free(at: block.address)
    #expect(test.heap.faultCount == 4 && test.heap.lastFault?.object == block.address)
    test.frames.free(.adopt(block, Order(2)))
    // A large one of the heap's: inside it, and twice.
    let large = try bytes.allocate(ByteCount(20_000)).surrender()
    bytes.free(at: large + ByteCount(4096))
    #expect(test.heap.faultCount == 5)
    bytes.free(at: large)
    #expect(test.heap.faultCount == 5)
    bytes.free(at: large)
    #expect(test.heap.faultCount == 6 && test.heap.lastFault?.kind == .notOwned)
    test.frames.free(.adopt(stack))
    #expect(test.isWhole)
  }

  @Test(arguments: designs)
  func `what nobody freed is listed with its owner, and bytes keep their alignment`(
    design: HeapDesign
  ) throws {
    let test = try TestHeap(frameCount: 1024, design: design, debugging: .all)
    let bytes = KernelHeap(test.heap)
    test.heap.setProcess(7)
    for size in [8, 64, 192, 1024, 4096, 8192] {
      let block = try bytes.allocate(ByteCount(UInt64(size)))
      #expect(block.address.value % UInt64(min(size & -size, 4096)) == 0)
      bytes.free(block)
    }
    let object = try test.heap.allocate(MiddleObject(seed: 1))
    let block = try bytes.allocate(ByteCount(100)).surrender()
    var found: [String] = []
    test.heap.visitLive { fault in
      #expect(fault.kind == .leaked && fault.allocator?.process == 7)
      found.append(Self.name(fault))
    }
    #expect(found.sorted() == ["kmalloc-112", "middle"])
    #expect(test.heap.reportLeaks() == 2 && test.heap.faultCount == 2)
    bytes.free(at: block)
    test.heap.free(object)
    #expect(test.heap.reportLeaks() == 0)
    test.heap.checkInvariants()
    _ = test.heap.shrink()
    #expect(test.isWhole)
  }

  @Test(arguments: HeapDesign.all)
  func `allocations fail when they are to, the same ones for the same seed`(
    design: HeapDesign
  ) throws {
    func failures() throws -> [Int] {
      let test = try TestHeap(
        design: design, isTracked: false,
        failures: FailureInjection(interval: 2, probability: 50, space: 10, times: 4, seed: 9))
      var failed: [Int] = []
      for number in 0..<100 {
        do {
          test.heap.free(try test.heap.allocate(SmallObject(seed: 1)))
        } catch {
          #expect(error == .injected)
          failed.append(number)
        }
      }
      return failed
    }
    let first = try failures()
    #expect(first.count == 4 && first[0] > 10)
    #expect(try failures() == first)
  }
}
