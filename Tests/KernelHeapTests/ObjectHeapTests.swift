// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import MemoryUnits
import PageFrames
import SimulatedMachine
import Testing

struct ObjectHeapTests {
  @Test(arguments: HeapDesign.all)
  func `an object keeps its fields until it is freed`(design: HeapDesign) throws {
    let test = try TestHeap(design: design)
    let heap = test.heap
    let first = try heap.allocate(MiddleObject(seed: 1))
    let second = try heap.allocate(MiddleObject(seed: 2))
    heap[first].seed = 7
    #expect(heap[first].seed == 7)
    #expect(heap[second] == MiddleObject(seed: 2))
    heap.free(first)
    #expect(heap[second] == MiddleObject(seed: 2))
    heap.free(second)
    _ = heap.shrink()
    #expect(test.isWhole)
  }

  @Test(arguments: HeapDesign.all, [1, 2, 3] as [UInt64])
  func `live objects never overlap and keep their contents`(
    design: HeapDesign, seed: UInt64
  ) throws {
    let test = try TestHeap(design: design)
    var generator = SeededGenerator(seed: seed)
    var small = Population<SmallObject>()
    var middle = Population<MiddleObject>()
    var large = Population<LargeObject>()
    for step in 0..<6000 {
      // Tides, so that slabs fill and empty.
      let isGrowing = step / 1000 % 2 == 0
      switch Int.random(in: 0..<3, using: &generator) {
      case 0: small.step(isGrowing, test.heap, &generator)
      case 1: middle.step(isGrowing, test.heap, &generator)
      default: large.step(isGrowing, test.heap, &generator)
      }
      if step % 100 == 0 {
        test.heap.checkInvariants()
        let ranges = (small.ranges + middle.ranges + large.ranges).sorted { $0.0 < $1.0 }
        let overlaps = zip(ranges, ranges.dropFirst()).contains { $0.1 > $1.0 }
        #expect(!overlaps, "seed \(seed), step \(step)")
      }
    }
    #expect(test.heap.statistics(24)?.liveObjectCount ?? 0 == small.live.count)
    #expect(test.heap.statistics(26)?.liveObjectCount ?? 0 == large.live.count)
    small.freeAll(test.heap)
    middle.freeAll(test.heap)
    large.freeAll(test.heap)
    test.heap.checkInvariants()
    _ = test.heap.shrink()
    test.heap.checkInvariants()
    #expect(test.isWhole, "seed \(seed)")
  }

  @Test(arguments: HeapDesign.all)
  func `exhaustion is an error, and freeing is recovery`(design: HeapDesign) throws {
    let test = try TestHeap(frameCount: 128, design: design)
    var references: [Reference<LargeObject>] = []
    for round in 0..<3 {
      do {
        while true {
          references.append(try test.heap.allocate(LargeObject(seed: UInt64(references.count))))
        }
      } catch {
        #expect(error == .outOfMemory)
      }
      test.heap.checkInvariants()
      #expect(references.count > 100, "round \(round)")
      for (index, reference) in references.enumerated() {
        #expect(test.heap[reference] == LargeObject(seed: UInt64(index)))
        test.heap.free(reference)
      }
      references = []
    }
    _ = test.heap.shrink()
    #expect(test.isWhole)
  }

  @Test func `empty slabs are kept up to the minimum of partial ones`() throws {
    let test = try TestHeap()
    var references: [Reference<SmallObject>] = []
    for index in 0..<(512 * 20) {
      references.append(try test.heap.allocate(SmallObject(seed: UInt64(index))))
    }
    #expect(test.heap.statistics(24)?.slabCount == 20)
    for reference in references { test.heap.free(reference) }
    let kept = try #require(test.heap.statistics(24))
    #expect(kept.liveObjectCount == 0)
    // Five partial slabs, what the CPU's lists hold, and a 256th of the memory in the depot.
    #expect(kept.slabCount <= 5 + 1 + 1 + 2, "\(kept.slabCount) of 20")
    #expect(test.heap.shrink() == PageCount(kept.slabCount))
    #expect(test.isWhole)
  }

  @Test(arguments: HeapDesign.all)
  func `a relief is asked as long as it makes progress`(design: HeapDesign) throws {
    let test = try TestHeap(frameCount: design == .slab ? 96 : 64, design: design)
    let hoard = Hoard()
    do {
      while true { hoard.blocks.append(try test.frames.allocate(FrameRequest()).surrender()) }
    } catch {}
    let relief = HoardRelief(hoard: hoard, frames: test.frames)
    var references: [Reference<LargeObject>] = []
    for index in 0..<40 {
      references.append(
        try test.heap.allocate(LargeObject(seed: UInt64(index)), relief: relief))
    }
    #expect(hoard.askedCount > 0)
    hoard.isStingy = true
    #expect(throws: AllocationError.outOfMemory) {
      while true {
        references.append(try test.heap.allocate(LargeObject(seed: 0), relief: relief))
      }
    }
    test.heap.checkInvariants()
    for reference in references { test.heap.free(reference) }
    for frame in hoard.blocks { test.frames.free(.adopt(frame)) }
    _ = test.heap.shrink()
    #expect(test.isWhole)
  }

  @Test func `a link is four bytes, its reference an optional`() {
    #expect(MemoryLayout<Link<SmallObject>>.size == 4)
    var link = Link<SmallObject>.none
    #expect(link.reference == nil)
    link.reference = Reference(raw: 9)
    #expect(link.reference == Reference(raw: 9) && link.raw == 9)
  }
}

/// The frames that a relief can free.
private final class Hoard {
  var blocks: [PageFrameNumber] = []
  var askedCount = 0
  var isStingy = false
}

private struct HoardRelief: PressureRelief {
  let hoard: Hoard
  let frames: PageFrames<CPUView>

  func relieve(_ shortfall: Shortfall) -> Relief {
    hoard.askedCount += 1
    guard !hoard.isStingy, let block = hoard.blocks.popLast() else { return .none }
    frames.free(.adopt(block))
    return .progress
  }
}
