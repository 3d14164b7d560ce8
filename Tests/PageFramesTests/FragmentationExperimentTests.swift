// SPDX-License-Identifier: Apache-2.0

import Foundation
import MemoryEvents
import MemoryUnits
import SimulatedMachine
import Testing

@testable import PageFrames

/// What keeping mobilities apart is for: large blocks that are free though memory is nearly full.
///
/// Programs come, grow side by side, and end, each with all its movable blocks; every tenth
/// allocation is the kernel's, which stays where it is and outlives them. Sizes and lifetimes are
/// a seed's. Memory is filled until there is none, a third of it is freed, and so on; in the end
/// a fifth is free. `QUIRE_LONG=yes` does five million allocations and frees.
@Suite struct FragmentationExperimentTests {
  private static var isLong: Bool { ProcessInfo.processInfo.environment["QUIRE_LONG"] == "yes" }

  struct Load {
    typealias Block = (frame: PageFrameNumber, order: Order)

    let test: FrameMachine
    let managed: Int
    private var generator: SeededGenerator
    private var programs: [[Block]] = [[]]
    private var kernel: [Block] = []
    private(set) var used = 0
    private var usedByKernel = 0
    private(set) var operationCount = 0

    init(_ test: FrameMachine, seed: UInt64) {
      self.test = test
      generator = SeededGenerator(seed: seed)
      managed = test.frames.managedPageCount.value
    }

    /// Fills memory, lets programs end until a third is free, and so on.
    mutating func run(operations: Int) {
      while operationCount < operations {
        grow(to: managed)
        shrink(to: managed * 2 / 3)
      }
      grow(to: managed * 8 / 10)
    }

    /// Gives everything back.
    mutating func finish() {
      for block in kernel + programs.flatMap({ $0 }) { free(block) }
    }

    /// Programs run in turn for a while, and come.
    private mutating func grow(to limit: Int) {
      var current = programs.count - 1
      while used < limit {
        if generator.oneIn(10) {
          guard let block = allocate(.unmovable, .kernelStack) else { return }
          kernel.append(block)
          usedByKernel += block.order.pageCount.value
          freeOldKernelBlocks()
        } else {
          guard let block = allocate(.movable, .anonymous) else { return }
          programs[current].append(block)
          if generator.oneIn(3000) { programs.append([]) }
          if generator.oneIn(2000) { current = generator.number(below: programs.count) }
        }
      }
    }

    /// The kernel's stay a tenth of memory; which of them go is chance.
    private mutating func freeOldKernelBlocks() {
      while usedByKernel > managed * 8 / 100 {
        let index = generator.number(below: kernel.count)
        kernel.swapAt(index, kernel.count - 1)
        let old = kernel.removeLast()
        usedByKernel -= old.order.pageCount.value
        free(old)
      }
    }

    private mutating func shrink(to limit: Int) {
      while used > limit, !programs.isEmpty {
        let index = generator.number(below: programs.count)
        for block in programs[index] { free(block) }
        programs.remove(at: index)
      }
      if programs.isEmpty { programs = [[]] }
    }

    private mutating func allocate(_ mobility: Mobility, _ kind: FrameKind) -> Block? {
      let order = Order([0, 0, 0, 0, 0, 0, 0, 1, 2, 3][generator.number(below: 10)])
      operationCount += 1
      guard
        let block = try? test.frames.allocate(
          FrameRequest(order: order, kind: kind, mobility: mobility))
      else { return nil }
      used += order.pageCount.value
      return (block.surrender(), order)
    }

    private mutating func free(_ block: Block) {
      operationCount += 1
      used -= block.order.pageCount.value
      test.frames.free(.adopt(block.frame, block.order))
    }
  }

  /// The blocks of order 9 that could be had after so many operations.
  private func largeBlocks(
    _ grouping: MobilityGrouping, seed: UInt64, operations: Int
  ) throws -> Int {
    let test = try FrameMachine(
      frameCount: 131_072,
      zones: ZoneLayout(
        dmaEnd: PageFrameNumber(.max), dma32End: PageFrameNumber(.max),
        normalEnd: PageFrameNumber(.max), highMemoryEnd: PageFrameNumber(.max)),
      grouping: grouping, violations: .ignore, eventStorage: .dropped)
    var load = Load(test, seed: seed)
    load.run(operations: operations)
    #expect((79...81).contains(load.used * 100 / load.managed))
    test.frames.drainCPULists()
    try test.frames.checkInvariants()
    let count = test.frames.fragmentation(PageBlocks.order, of: .dma).suitableBlockCount
    load.finish()
    test.frames.drainCPULists()
    #expect(test.frames.freePageCount == test.frames.managedPageCount)
    return count
  }

  @Test(arguments: [1, 2] as [UInt64])
  func `kept apart, five times as many large blocks stay free`(seed: UInt64) throws {
    let operations = Self.isLong ? 5_000_000 : 250_000
    let apart = try largeBlocks(.byMobility, seed: seed, operations: operations)
    let mixed = try largeBlocks(.none, seed: seed, operations: operations)
    #expect(apart >= 5 * max(mixed, 1), "\(apart) of order 9 kept apart, \(mixed) mixed")
    print("seed \(seed), \(operations) operations: \(apart) apart, \(mixed) mixed")
  }
}
