// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import SimulatedMachine
import Testing

/// The objects of one type that a test has: the model beside a cache.
struct Population<Object: TestObject> {
  private(set) var live: [(reference: Reference<Object>, seed: UInt64)] = []

  /// Where each object begins and ends, in units of 8 bytes.
  var ranges: [(UInt32, UInt32)] {
    live.map { ($0.reference.raw, $0.reference.raw + UInt32(MemoryLayout<Object>.size / 8)) }
  }

  mutating func step(
    _ isGrowing: Bool, _ heap: ObjectHeap<CPUView>, _ generator: inout SeededGenerator
  ) {
    let allocates = Int.random(in: 0..<10, using: &generator) < (isGrowing ? 8 : 2)
    if allocates || live.isEmpty {
      let seed = generator.next()
      guard let reference = try? heap.allocate(Object(seed: seed)) else { return }
      #expect(!live.contains { $0.reference == reference })
      live.append((reference, seed))
    } else {
      let index = Int.random(in: 0..<live.count, using: &generator)
      let victim = live[index]
      live.swapAt(index, live.count - 1)
      live.removeLast()
      #expect(heap[victim.reference] == Object(seed: victim.seed))
      heap.free(victim.reference)
    }
  }

  mutating func freeAll(_ heap: ObjectHeap<CPUView>) {
    for object in live {
      #expect(heap[object.reference] == Object(seed: object.seed))
      heap.free(object.reference)
    }
    live = []
  }
}
