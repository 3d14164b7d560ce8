// SPDX-License-Identifier: Apache-2.0

import KernelMappings
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames
import PageTableFormats
import PageTables
import SimulatedMachine
import Testing

@Suite struct KernelStackTests {
  private func page(_ stack: KernelStack, _ below: Int) -> VirtualAddress {
    VirtualAddress(stack.top.value - UInt64(below) * 0x1000)
  }

  @Test func `a stack has four pages above a page that nothing maps`() throws {
    try TestMappings.run { test in
      let stack = try test.mappings.allocateStack()
      let above = try test.mappings.allocateStack()
      #expect(stack.top == VirtualAddress(0xFFFF_C900_0000_5000))
      #expect(above.top == VirtualAddress(0xFFFF_C900_0000_A000))
      for below in 1...4 {
        #expect(test.canAccess(page(stack, below), .write))
        #expect(!test.canAccess(page(stack, below), .execute))
        let frame = test.leaf(page(stack, below).value)?.frame
        #expect(frame.map { test.frames.table[$0].kind } == .kernelStack)
      }
      #expect(!test.canAccess(page(stack, 5), .read))
      #expect(!test.canAccess(page(above, 5), .read))
    }
  }

  @Test func `a later stack is seen in an earlier address space`() throws {
    try TestMappings.run { test in
      let root = try test.mappings.tables.makeRoot(sharing: test.mappings.root)
      test.machine.activate(root: root)
      let stack = try test.mappings.allocateStack()
      #expect(test.canAccess(page(stack, 1), .write))
      try test.mappings.tables.check(root, .kernel) { _, _, _ in }
      test.mappings.freeStack(stack)
      test.mappings.shrink()
      #expect(!test.canAccess(page(stack, 1), .read))
    }
  }

  @Test func `freed stacks are kept for the next, and go back when memory is short`() throws {
    try TestMappings.run { test in
      let first = try (0..<70).map { _ in try test.mappings.allocateStack() }
      #expect(test.mappings.stackCount == 70)
      for index in [65, 3, 12] {
        _ = try test.machine.access(page(first[index], 2), .write, by: .kernel)
        test.mappings.freeStack(first[index])
      }
      for index in [65, 3] {
        let next = try test.mappings.allocateStack()
        #expect(next == first[index])
      }
      // The third was unmapped, and its place waits for a flush.
      #expect(test.leaf(page(first[12], 2).value) == nil)
      test.mappings.shrink()
      let next = try test.mappings.allocateStack()
      #expect(next == first[12])
      for stack in first { test.mappings.freeStack(stack) }
      test.mappings.shrink()
      #expect(test.mappings.stackCount == 0 && test.mappings.areas.areaCount == 0)
      let kinds = (0..<UInt32(2048)).map { test.frames.table[PageFrameNumber($0)].kind }
      #expect(!kinds.contains(.kernelStack))
      try test.mappings.tables.check(test.mappings.root, .kernel) { _, _, _ in }
    }
  }

  @Test func `without memory for a whole stack, nothing of it is left`() throws {
    try TestMappings.run { test in
      var stacks: [KernelStack] = []
      var failure: AllocationError?
      while failure == nil {
        do throws(AllocationError) {
          stacks.append(try test.mappings.allocateStack())
        } catch {
          failure = error
        }
      }
      #expect(failure == .outOfMemory && stacks.count == test.mappings.stackCount)
      test.mappings.shrink()
      let kinds = (0..<UInt32(2048)).map { test.frames.table[PageFrameNumber($0)].kind }
      #expect(kinds.count { $0 == .kernelStack } == 4 * stacks.count)
      test.mappings.freeStack(stacks[0])
      let next = try test.mappings.allocateStack()
      #expect(next == stacks[0])
    }
  }

  @Test(arguments: [11, 12] as [UInt64])
  func `a random history of stacks keeps every place apart`(seed: UInt64) throws {
    print("seed \(seed)")
    try TestMappings.run(seed: seed) { test in
      var generator = SeededGenerator(seed: seed)
      var live: [KernelStack] = []
      for _ in 0..<500 {
        if live.count < 40, generator.oneIn(2) {
          let stack = try test.mappings.allocateStack()
          #expect(!live.contains(stack))
          live.append(stack)
          _ = try test.machine.access(page(stack, 1), .write, by: .kernel)
        } else if !live.isEmpty {
          test.mappings.freeStack(live.remove(at: generator.number(below: live.count)))
        }
        #expect(test.mappings.stackCount == live.count)
      }
      test.mappings.shrink()
      var mapped = 0
      try test.mappings.tables.check(test.mappings.root, .kernel) { address, _, _ in
        if address.value >> 40 == 0xFFFFC9 { mapped += 1 }
      }
      #expect(mapped == 4 * live.count)
    }
  }
}
