// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import KernelMappings
import MemoryUnits
import PageFrames
import PageTableFormats
import PageTables
import SimulatedMachine
import Testing

/// The kernel's half on the two formats of i386.
@Suite struct KernelLayoutTests {
  private func check<Format: PageTableFormat>(_ format: Format.Type) throws {
    try SimulatedMachine<Format>.run(SimulationOptions(frameCount: 4096)) {
      (machine: SimulatedMachine<Format>) throws in
      let size = ByteCount(16 << 20)
      var memory = BootMemory(limit: machine.directMap.limit)
      memory.add(from: PhysicalAddress(0), size)
      let frames = try PageFrames(
        machine: machine, memory: &memory, zones: .i386(), cpuCount: 1)
      let heap = try ObjectHeap(frames: frames, memory: &memory)
      frames.takeOver(&memory)
      let tables = PageTables(frames: frames)
      let mappings = try KernelMappings(tables: tables, heap: heap, layout: .i386)
      try mappings.mapMemory(from: PhysicalAddress(0), size)
      let root = try tables.makeRoot(sharing: mappings.root)
      machine.activate(root: root)
      let stack = try mappings.allocateStack()
      let below = VirtualAddress(stack.top.value - 8)
      try machine.store(UInt64(7), at: below, by: .kernel)
      let frame = tables.translate(root, below)?.leaf.frame
      let seen = frame.map { VirtualAddress(0xC000_0FF8 + $0.address.value) }
      if let seen {
        let value = try machine.load(UInt64.self, at: seen, by: .kernel)
        #expect(value == 7)
      }
      var bytes: UInt64 = 0
      try tables.check(mappings.root, .kernel) { address, _, level in
        if address.value < 0xF000_0000 { bytes += Format.pageSize(level: level).bytes }
      }
      #expect(bytes == size.value && seen != nil)
      mappings.freeStack(stack)
    }
  }

  @Test func `i386 sees memory at 3 GiB and a new stack in an old address space`() throws {
    try check(I386Format.self)
  }

  @Test func `PAE sees memory at 3 GiB and a new stack in an old address space`() throws {
    try check(PAEFormat.self)
  }
}
