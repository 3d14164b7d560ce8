// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import Machine
import MemoryUnits
import PageFrames
import PageTableFormats
import SimulatedMachine
import Synchronization
import Testing

/// Four CPUs that change within verbs and locks, with objects that are made with their slab.
@Suite(.enabled(if: SimulatedMachine<X8664Format>.seesLocks)) struct ConstructionTests {
  /// One CPU finds a list, a slab or an array that another empties before it is taken.
  @Test(arguments: HeapDesign.all, UInt64(1)...12)
  func `an object is made before it is had, on whichever CPU`(
    design: HeapDesign, seed: UInt64
  ) throws {
    let test = try TestHeap(frameCount: 1024, cpuCount: 4, design: design, isTracked: false)
    let heap = test.heap
    let cache = try heap.makeCache(
      CacheRequest(name: "marked", byteCount: ByteCount(1000)),
      constructing: ObjectCacheTests.Marked.self)
    let tally = Mutex((had: 0, unmade: 0))
    let switches = test.machine.runInterleaved(seed: seed, rarity: 4) { cpu in
      CPUView.$threadCPU.withValue(cpu.value) {
        var generator = SeededGenerator(seed: seed << 8 | UInt64(cpu.value))
        var held: [PhysicalAddress] = []
        for _ in 0..<300 {
          if generator.number(below: 5) < 3, let block = try? heap.allocate(from: cache) {
            let mark = heap.bytes(of: block).load(UInt64.self, at: 32)
            tally.withLock {
              $0.had += 1
              if mark != 0xFEED { $0.unmade += 1 }
            }
            held.append(block.surrender())
          } else if let address = held.popLast() {
            heap.free(heap.adopt(address, of: cache), to: cache)
          }
          if generator.oneIn(8) { heap.shrink(cache) }
        }
        for address in held { heap.free(heap.adopt(address, of: cache), to: cache) }
      }
    }
    heap.checkInvariants()
    #expect(switches > 100)
    #expect(tally.withLock { $0.had } > 500)
    #expect(tally.withLock { $0.unmade } == 0)
    try heap.destroy(cache)
    #expect(test.isWhole)
  }
}
