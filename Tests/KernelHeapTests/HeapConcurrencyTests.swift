// SPDX-License-Identifier: Apache-2.0

import Foundation
import KernelHeap
import MemoryUnits
import PageFrames
import SimulatedMachine
import Synchronization
import Testing

/// Threads as CPUs: each allocates, and frees what others allocated.
struct HeapConcurrencyTests {
  @Test(arguments: HeapDesign.all)
  func `four CPUs pass objects to each other and lose none`(design: HeapDesign) throws {
    let test = try TestHeap(frameCount: 2048, cpuCount: 4, design: design)
    let heap = test.heap
    let mailboxes = (0..<4).map { _ in Mailbox() }
    let done = DispatchGroup()
    for cpu in 0..<4 {
      done.enter()
      Thread.detachNewThread {
        CPUView.$threadCPU.withValue(UInt8(cpu)) { Self.work(heap, cpu, mailboxes) }
        done.leave()
      }
    }
    done.wait()
    for mailbox in mailboxes {
      for raw in mailbox.takeAll() { heap.free(Reference<MiddleObject>(raw: raw)) }
    }
    heap.checkInvariants()
    #expect(heap.statistics(25)?.liveObjectCount ?? 0 == 0)
    for cpu in 0..<4 {
      CPUView.$threadCPU.withValue(UInt8(cpu)) { _ = heap.shrink() }
    }
    heap.checkInvariants()
    #expect(test.isWhole)
  }

  @Test func `an object that one CPU freed goes to that CPU first`() throws {
    let test = try TestHeap(cpuCount: 2)
    let heap = test.heap
    let object = try heap.allocate(SmallObject(seed: 1))
    heap.free(object)
    try CPUView.$threadCPU.withValue(1) {
      let other = try heap.allocate(SmallObject(seed: 2))
      #expect(other != object)
      heap.free(other)
    }
    let again = try heap.allocate(SmallObject(seed: 3))
    #expect(again == object)
    heap.free(again)
  }

  private static func work(_ heap: ObjectHeap<CPUView>, _ cpu: Int, _ mailboxes: [Mailbox]) {
    var generator = SeededGenerator(seed: UInt64(cpu))
    for _ in 0..<4000 {
      let seed = generator.next()
      if let reference = try? heap.allocate(MiddleObject(seed: seed)) {
        mailboxes[Int(seed % 4)].put(reference.raw)
      }
      for raw in mailboxes[cpu].take(Int((seed >> 8) % 3)) {
        let reference = Reference<MiddleObject>(raw: raw)
        precondition(heap[reference] == MiddleObject(seed: heap[reference].seed), "torn")
        heap.free(reference)
      }
    }
  }
}

private final class Mailbox: Sendable {
  private let contents = Mutex<[UInt32]>([])

  func put(_ raw: UInt32) { contents.withLock { $0.append(raw) } }

  func take(_ count: Int) -> [UInt32] {
    contents.withLock { contents in
      let taken = Array(contents.suffix(count))
      contents.removeLast(taken.count)
      return taken
    }
  }

  func takeAll() -> [UInt32] { take(contents.withLock { $0.count }) }
}
