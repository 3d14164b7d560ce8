// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import Compaction
import MemoryManagement
import MemoryUnits
import PageFrames
import SimulatedMachine
import Testing

/// The text's Contiguous Memory Allocator.
///
/// `Documentation/TheText/KernelMemory.md` has the marked lines.
@Suite struct TheTextContiguousTests {
  @Test func `a buffer in a row is there though programs borrowed the area`() throws {
    let area = ContiguousAreaRequest(size: ByteCount(8 << 20), base: nil, limit: nil)
    try withMemory(frameCount: 8192, areas: [area]) { environment in
      let base = VirtualAddress(0x10_0000)
      let space = try environment.spaces.makeSpace()
      _ = try environment.spaces.map(
        space,
        MapRequest(
          .fixed(base), byteCount: PageCount(4000).bytes, protection: .read.union(.write)))
      for page in 0..<UInt64(4000) {
        try environment.spaces.store(page, at: base + ByteCount(page * 4096), in: space)
      }

      let contiguous = ContiguousMemory(environment)
      let buffer = try contiguous.allocate(PageCount(1500), kind: .plain, fromArea: 0)
      let first = buffer.range.first
      contiguous.free(buffer, toArea: 0)

      #expect(environment.frames.contiguousArea(0).range.contains(first))
      #expect(environment.memory.value.migration.succeededCount > 0)
      for page in 0..<UInt64(4000) {
        let place = base + ByteCount(page * 4096)
        #expect(try environment.spaces.load(UInt64.self, at: place, in: space) == page)
      }
      environment.spaces.release(space)
    }
  }
}
