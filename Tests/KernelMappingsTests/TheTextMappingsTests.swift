// SPDX-License-Identifier: Apache-2.0

import KernelMappings
import MemoryUnits
import PageFrames
import PageTableFormats
import SimulatedMachine
import Testing

/// The text's examples of vmalloc and vfree, and of the identity-mapped part.
///
/// `Documentation/TheText/KernelMemory.md` has the marked lines.
@Suite struct TheTextMappingsTests {
  @Test func `memory is contiguous for the kernel though its frames are not`() throws {
    try TestMappings.run { test in
      let (machine, areas, size) = (test.machine, test.mappings.areas, ByteCount(3 * 4096))
      let held = try test.frames.allocate(FrameRequest()).surrender()

      let address = try areas.allocate(size)
      try machine.store(UInt64(42), at: address + ByteCount(4096), by: .kernel)
      let physical = areas.translate(address + ByteCount(4096))
      try areas.free(address)

      let frame = try #require(physical)
      #expect(machine.directMap.load(UInt64.self, at: frame) == 42)
      _ = test.frames.release(held)
    }
  }

  @Test func `a kernel address is a physical one and a fixed distance`() throws {
    try TestMappings.run { test in
      let (mappings, frame) = (test.mappings, PageFrameNumber(0x300))

      let address = mappings.address(of: frame.address)
      let physical = mappings.translate(address)

      #expect(physical == frame.address)
      let next = mappings.address(of: frame.address + ByteCount(4096))
      #expect(next.value - address.value == 4096)
    }
  }
}
