// SPDX-License-Identifier: Apache-2.0

import KernelMappings
import MemoryUnits
import PageFrames
import PageTableFormats
import PageTables
import SimulatedMachine
import Testing

@Suite struct KernelMappingsTests {
  private static let direct: UInt64 = 0xFFFF_8880_0000_0000

  @Test func `the direct map has a large page wherever one fits`() throws {
    try TestMappings.run { test in
      var bytes: UInt64 = 0
      var largeCount = 0
      let base = Self.direct
      try test.mappings.tables.check(test.mappings.root, .kernel) { address, leaf, level in
        guard address.value >= base, address.value < base + 0x80_0000 else { return }
        #expect(leaf.frame.address.value == address.value - base)
        bytes += X8664Format.pageSize(level: level).bytes
        if level == 1 { largeCount += 1 }
      }
      #expect(bytes == 0x80_0000)
      // The first 2 MiB hold the image, so they are of base pages.
      #expect(largeCount == 3)
    }
  }

  @Test func `edges of memory are base pages`() throws {
    try TestMappings.run { test in
      let (start, size): (UInt64, UInt64) = (0x4000_0000 - 0x3000, 0x40_4000)
      try test.mappings.mapMemory(from: PhysicalAddress(start), ByteCount(size))
      var levels: [Int] = []
      try test.mappings.tables.check(test.mappings.root, .kernel) { address, _, level in
        let physical = address.value &- Self.direct
        if physical >= start, physical < start + size { levels.append(level) }
      }
      #expect(levels == [0, 0, 0, 1, 1, 0])
    }
  }

  @Test func `each part of the image has its rights and no more`() throws {
    try TestMappings.run { test in
      let text = TestMappings.text.address
      let constants = TestMappings.constants.address
      let data = TestMappings.data.address
      #expect(test.canAccess(text, .execute) && !test.canAccess(text, .write))
      #expect(test.canAccess(constants, .read) && !test.canAccess(constants, .write))
      #expect(!test.canAccess(constants, .execute))
      #expect(test.canAccess(data, .write) && !test.canAccess(data, .execute))
      // The page below the image's stack.
      #expect(!test.canAccess(VirtualAddress(TestMappings.imageBase + 0x10_A000), .read))
    }
  }

  @Test func `the direct map does not let anybody write text or constants`() throws {
    try TestMappings.run { test in
      for address: UInt64 in stride(from: 0x10_0000, to: 0x10_5000, by: 0x1000) {
        #expect(test.leaf(Self.direct + address)?.protection == [.read, .global])
      }
      #expect(test.leaf(Self.direct + 0x10_5000)?.protection == [.read, .write, .global])
      #expect(!test.canAccess(VirtualAddress(Self.direct + 0x10_0000), .execute))
    }
  }

  @Test func `there is no identity map, and devices are not cached`() throws {
    try TestMappings.run { test in
      try test.mappings.tables.check(test.mappings.root, .user) { address, _, _ in
        Issue.record("\(address) is mapped")
      }
      let device = test.leaf(Self.direct + TestMappings.device.value)
      #expect(device?.protection == [.read, .write, .global, .device, .uncounted])
    }
  }
}
