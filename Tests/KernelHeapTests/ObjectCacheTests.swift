// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import Machine
import MemoryUnits
import PageFrames
import Testing

struct ObjectCacheTests {
  /// Writes a mark that objects keep from slab to slab's end.
  enum Marked: ObjectConstructor {
    static var byteCount: Int { 40 }
    static var alignment: Int { 8 }
    static func construct(_ object: MemoryBlock) { object.store(UInt64(0xFEED), at: 32) }
  }

  enum Aligned: ObjectConstructor {
    static var byteCount: Int { 64 }
    static var alignment: Int { 64 }
    static func construct(_ object: MemoryBlock) {}
  }

  @Test(arguments: HeapDesign.all)
  func `objects are made once, keep what they are between users, and lie as aligned as asked`(
    design: HeapDesign
  ) throws {
    let test = try TestHeap(design: design, isTracked: false)
    let cache = try test.heap.makeCache(
      CacheRequest(name: "marked", byteCount: ByteCount(40), alignment: ByteCount(128)),
      constructing: Marked.self)
    for round in 0..<3 {
      var addresses: [PhysicalAddress] = []
      var blocks: [PhysicalAddress] = []
      for number in 0..<200 {
        let block = try test.heap.allocate(from: cache)
        #expect(block.address.value % 128 == 0)
        let bytes = test.heap.bytes(of: block)
        #expect(bytes.load(UInt64.self, at: 32) == 0xFEED, "round \(round)")
        bytes.store(UInt64(number), at: 0)
        addresses.append(block.address)
        blocks.append(block.surrender())
      }
      #expect(Set(addresses).count == 200)
      test.heap.checkInvariants()
      for (number, address) in blocks.enumerated() {
        #expect(test.machine.directMap.load(UInt64.self, at: address) == UInt64(number))
        test.heap.free(test.heap.adopt(address, of: cache), to: cache)
      }
      test.heap.checkInvariants()
    }
    try test.heap.destroy(cache)
    #expect(test.isWhole)
    #expect(test.heap.statistics(cache.index) == nil)
  }

  @Test func `caches of one shape are one, unless somebody minds`() throws {
    let test = try TestHeap()
    func request(
      _ size: UInt64, _ alignment: UInt64 = 8, _ merging: CacheRequest.Merging = .allowed,
      _ reclaim: CacheRequest.Reclaimability = .unreclaimable
    ) -> CacheRequest {
      CacheRequest(
        name: "shape", byteCount: ByteCount(size), alignment: ByteCount(alignment),
        reclaim: reclaim, merging: merging)
    }
    let first = try test.heap.makeCache(request(100))
    #expect(try test.heap.makeCache(request(104)).index == first.index)
    #expect(try test.heap.makeCache(request(97)).index == first.index)
    #expect(try test.heap.makeCache(request(96)).index != first.index)
    #expect(try test.heap.makeCache(request(112)).index != first.index)
    #expect(try test.heap.makeCache(request(104, 16)).index != first.index)
    #expect(try test.heap.makeCache(request(104, 8, .refused)).index != first.index)
    #expect(try test.heap.makeCache(request(104, 8, .allowed, .reclaimable)).index != first.index)
    // Three asked for it: it stays until the last has gone.
    let block = try test.heap.allocate(from: first)
    try test.heap.destroy(first)
    try test.heap.destroy(first)
    #expect(throws: CacheError.inUse) { try test.heap.destroy(first) }
    test.heap.free(block, to: first)
    try test.heap.destroy(first)
    #expect(test.isWhole)
  }

  @Test(arguments: HeapDesign.all)
  func `requests that cannot be are refused, and others go on`(design: HeapDesign) throws {
    let test = try TestHeap(design: design)
    func error(_ size: UInt64, _ alignment: UInt64) -> CacheError? {
      do throws(CacheError) {
        _ = try test.heap.makeCache(
          CacheRequest(
            name: "bad", byteCount: ByteCount(size), alignment: ByteCount(alignment)))
        return nil
      } catch { return error }
    }
    #expect(error(0, 8) == .zeroSize)
    #expect(error(8193, 8) == .tooLarge && error(.max, 8) == .tooLarge)
    #expect(error(64, 0) == .wrongAlignment && error(64, 48) == .wrongAlignment)
    #expect(error(64, 8192) == .wrongAlignment)
    #expect(throws: CacheError.constructorDisagrees) {
      _ = try test.heap.makeCache(
        CacheRequest(name: "bad", byteCount: ByteCount(64), alignment: ByteCount(32)),
        constructing: Aligned.self)
    }
    #expect(throws: CacheError.constructorDisagrees) {
      _ = try test.heap.makeCache(
        CacheRequest(name: "bad", byteCount: ByteCount(39)), constructing: Marked.self)
    }
    var made = 0
    #expect(throws: CacheError.tooMany) {
      while true {
        _ = try test.heap.makeCache(
          CacheRequest(name: "many", byteCount: ByteCount(64), merging: .refused))
        made += 1
      }
    }
    #expect(made == 28)
  }

  @Test func `an object freed to another cache is named and stays`() throws {
    let test = try TestHeap()
    let first = try test.heap.makeCache(
      CacheRequest(name: "first", byteCount: ByteCount(64), merging: .refused))
    let second = try test.heap.makeCache(
      CacheRequest(name: "second", byteCount: ByteCount(64), merging: .refused))
    let block = try test.heap.allocate(from: first)
    let address = block.address
    test.heap.free(block, to: second)
    #expect(test.heap.lastFault?.kind == .wrongCache && test.heap.lastFault?.object == address)
    test.heap.free(test.heap.adopt(address, of: first), to: first)
    try test.heap.destroy(first)
    try test.heap.destroy(second)
  }

  @Test(arguments: HeapDesign.all)
  func `many objects come all or none`(design: HeapDesign) throws {
    let test = try TestHeap(frameCount: 96, design: design)
    var links = [Link<LargeObject>](repeating: .none, count: 40)
    var span = links.mutableSpan
    try test.heap.allocate(LargeObject(seed: 5), into: &span)
    #expect(links.allSatisfy { $0.reference != nil })
    test.heap.free(links.span)
    var many = [Link<LargeObject>](repeating: .none, count: 2000)
    #expect(throws: AllocationError.outOfMemory) {
      var span = many.mutableSpan
      try test.heap.allocate(LargeObject(seed: 5), into: &span)
    }
    #expect(many.allSatisfy { $0.reference == nil })
    _ = test.heap.shrink()
    #expect(test.isWhole)
  }
}
