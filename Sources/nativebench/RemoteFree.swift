// SPDX-License-Identifier: Apache-2.0

import CHostThread
import MemoryUnits
import NativeMachine
import Synchronization

/// One thread takes objects, another gives them back: as a network driver and its reader do.
final class RemoteFree<Heap: Allocator>: Consumer, @unchecked Sendable {
  private let heap: Heap
  private let byteCount: Int
  private let roundCount: Int
  /// Objects that go from one to the other, by their number modulo the ring's size.
  private let ring = Table([UInt](repeating: 0, count: ringCount))
  private let produced = Atomic<Int>(0)
  private let consumed = Atomic<Int>(0)

  private static var objectCount: Int { 20_000 }
  private static var ringCount: Int { 4096 }
  private static var batchCount: Int { 50 }

  private init(_ heap: Heap, byteCount: Int, roundCount: Int) {
    self.heap = heap
    self.byteCount = byteCount
    self.roundCount = roundCount
  }

  /// The nanoseconds of each round: of an object from `take` to `give`, when many are on the way.
  static func rounds(_ heap: Heap, byteCount: Int, roundCount: Int) -> [UInt64] {
    let both = RemoteFree(heap, byteCount: byteCount, roundCount: roundCount)
    var thread = pthread_t()
    // SAFETY: the new thread takes over the retained object.
    let argument = unsafe Unmanaged<Consumer>.passRetained(both).toOpaque()
    let error = unsafe pthread_create(
      &thread, nil,
      { argument in
        guard let argument = unsafe argument else { return nil }
        unsafe Unmanaged<Consumer>.fromOpaque(argument).takeRetainedValue().consume()
        return nil
      }, argument)
    precondition(error == 0, "the host has no thread to spare")
    let times = both.produce()
    pthread_join(thread, nil)
    return times
  }

  private func produce() -> [UInt64] {
    var number = 0
    return (0..<roundCount).map { _ in
      let start = host_nanoseconds()
      let end = number + Self.objectCount
      while number < end {
        while number - consumed.load(ordering: .acquiring) > Self.ringCount - Self.batchCount {
          sched_yield()
        }
        for _ in 0..<Self.batchCount {
          ring[number & (Self.ringCount - 1)] = heap.take(byteCount)
          number += 1
        }
        produced.store(number, ordering: .releasing)
      }
      while consumed.load(ordering: .acquiring) < end { sched_yield() }
      return host_nanoseconds() - start
    }
  }

  static var operationCount: Int { objectCount }

  override func consume() {
    NativeMachine.adoptThread(as: CPUNumber(1))
    let end = roundCount * Self.objectCount
    var number = 0
    while number < end {
      let ready = produced.load(ordering: .acquiring)
      if number == ready { sched_yield() }
      while number < ready {
        heap.give(ring[number & (Self.ringCount - 1)])
        number += 1
      }
      consumed.store(number, ordering: .releasing)
    }
  }
}

/// What the second thread does.
class Consumer {
  func consume() {}
}
