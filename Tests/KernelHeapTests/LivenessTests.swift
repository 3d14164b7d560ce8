// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import MemoryUnits
import Testing

/// A heap that is told to track stops at the access that is wrong, not some time after it.
struct LivenessTests {
  @Test func `a reference to an object that is gone traps`() async {
    let death = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      let test = try TestHeap()
      let reference = try test.heap.allocate(SmallObject(seed: 1))
      test.heap.free(reference)
      test.heap[reference].seed = 2
    }
    #expect(death.saidWhy("an object that is gone"))
  }

  @Test func `freeing twice traps`() async {
    let death = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      let test = try TestHeap()
      let reference = try test.heap.allocate(SmallObject(seed: 1))
      test.heap.free(reference)
      test.heap.free(reference)
    }
    #expect(death.saidWhy("an object that is gone"))
  }

  @Test func `a reference to an object of another type traps`() async {
    let death = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      let test = try TestHeap()
      let reference = try test.heap.allocate(SmallObject(seed: 1))
      _ = test.heap[Reference<MiddleObject>(raw: reference.raw)].seed
    }
    #expect(death.saidWhy("an object of another type"))
  }

  @Test func `a reference into the middle of an object traps`() async {
    let death = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      let test = try TestHeap()
      let reference = try test.heap.allocate(MiddleObject(seed: 1))
      _ = test.heap[Reference<MiddleObject>(raw: reference.raw + 1)].seed
    }
    #expect(death.saidWhy("an object that is gone"))
  }

  @Test func `a write to a freed object traps when it is allocated again`() async {
    let death = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      let test = try TestHeap()
      let reference = try test.heap.allocate(MiddleObject(seed: 1))
      test.heap.free(reference)
      let address = PhysicalAddress(UInt64(reference.raw) * 8)
      test.machine.directMap.store(UInt64(5), at: address)
      _ = try test.heap.allocate(MiddleObject(seed: 2))
    }
    #expect(death.saidWhy("a freed object was written to"))
  }

  @Test func `without tracking, an object returned to a slab twice still traps`() async {
    let death = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      let test = try TestHeap(isTracked: false)
      let reference = try test.heap.allocate(LargeObject(seed: 1))
      test.heap.free(reference)
      _ = test.heap.shrink()
      test.heap.free(reference)
      _ = test.heap.shrink()
    }
    #expect(death.saidWhy("free of what is free"))
  }

  @Test func `two types that share a cache's number trap`() async {
    let death = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      let test = try TestHeap()
      _ = try test.heap.allocate(SmallObject(seed: 1))
      _ = try test.heap.allocate(Impostor(first: 1, second: 2))
    }
    #expect(death.saidWhy("two types share a cache's index"))
  }

  @Test func `two types of one size that share a cache's number trap at the next slab`() async {
    let death = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      let test = try TestHeap(isTracked: false)
      _ = try test.heap.allocate(SmallObject(seed: 1))
      for _ in 0..<512 { _ = try test.heap.allocate(Twin(first: 1)) }
    }
    #expect(death.saidWhy("two types share a cache's index"))
  }
}

/// Another name, of the same size, under a number that is taken.
private struct Twin: HeapObject {
  var first: UInt64
  static var cacheName: StaticString { "smell" }
  static var cacheIndex: Int { SmallObject.cacheIndex }
}

/// Another size under a number that is taken.
private struct Impostor: HeapObject {
  var first: UInt64
  var second: UInt64
  static var cacheName: StaticString { "impostor" }
  static var cacheIndex: Int { SmallObject.cacheIndex }
}

extension ExitTest.Result? {
  /// Whether the process ended with this reason.
  fileprivate func saidWhy(_ reason: String) -> Bool {
    guard let self else { return false }
    return String(decoding: self.standardErrorContent, as: UTF8.self).contains(reason)
  }
}
