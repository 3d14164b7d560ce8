// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import Compaction
import KernelHeap
import MemoryUnits
import PageFrames
import PageTableFormats
import SimulatedMachine
import Testing

private let base = VirtualAddress(0x10_0000)
private let size = UInt64(4096)

@Suite struct CompactionTests {
  /// Fills memory with a program's pages and gives every other one back.
  private func scatter(_ environment: TestEnvironment) throws -> (Reference<AddressSpace>, Int) {
    let spaces = environment.spaces
    let space = try spaces.makeSpace()
    _ = try spaces.map(
      space,
      MapRequest(
        .fixed(base), byteCount: PageCount(4096).bytes, protection: .read.union(.write),
        attributes: .noReserve))
    var pages = 0
    while (try? spaces.store(UInt64(pages), at: base + ByteCount(UInt64(pages) * size), in: space))
      != nil
    {
      pages += 1
    }
    var page = 0
    while page < pages {
      try spaces.advise(
        space, from: base + ByteCount(UInt64(page) * size), byteCount: ByteCount(size), .discard)
      page += 2
    }
    environment.frames.drainCPULists()
    return (space, pages)
  }

  private func largest(_ environment: TestEnvironment) -> Int {
    (0...10).last { environment.frames.freeBlockCount(Order(UInt8($0)), of: .dma) > 0 } ?? -1
  }

  @Test func `scattered free frames become large blocks, without swap or files`() throws {
    try withMemory(frameCount: 4096) { environment in
      let (space, pages) = try scatter(environment)
      let request = FrameRequest(order: Order(9))
      #expect(throws: AllocationError.outOfMemory) {
        environment.frames.free(try environment.frames.allocate(request))
      }
      let compaction = Compaction(environment)
      let shortfall = Shortfall(order: Order(9), zoneLimit: .normal, kind: .plain)
      #expect(compaction.compact(for: shortfall) == .success)
      environment.frames.free(try environment.frames.allocate(request))
      for page in stride(from: 1, to: pages, by: 2) {
        let value = try environment.spaces.load(
          UInt64.self, at: base + ByteCount(UInt64(page) * size), in: space)
        #expect(value == UInt64(page))
      }
      let counts = environment.memory.value.compaction
      #expect(counts.stallCount == 1 && counts.successCount == 1 && counts.failureCount == 0)
      #expect(counts.migrateScannedCount > 0 && counts.freeScannedCount > 0)
      #expect(environment.memory.value.migration.failedCount == 0)
      try environment.checkInvariants([space])
      try environment.frames.checkInvariants()
      environment.spaces.release(space)
    }
  }

  @Test func `compacting all leaves what is free in one piece`() throws {
    try withMemory(frameCount: 4096) { environment in
      let (space, _) = try scatter(environment)
      #expect(largest(environment) < 9)
      Compaction(environment).compactAll()
      #expect(largest(environment) >= 9)
      try environment.checkInvariants([space])
      try environment.frames.checkInvariants()
      environment.spaces.release(space)
    }
  }

  @Test func `pages that are held stay where they are, and it is put off after it failed`() throws {
    try withMemory(frameCount: 4096) { environment in
      let (space, pages) = try scatter(environment)
      var held: [PageFrameNumber] = []
      for page in stride(from: 1, to: pages, by: 2) {
        let address = base + ByteCount(UInt64(page) * size)
        let leaf = try #require(
          environment.tables.translate(environment.heap[space].root, address)?.leaf)
        environment.frames.retain(leaf.frame)
        held.append(leaf.frame)
      }
      let compaction = Compaction(environment)
      let shortfall = Shortfall(order: Order(8), zoneLimit: .normal, kind: .plain)
      #expect(compaction.compact(for: shortfall) == .complete)
      #expect(compaction.compact(for: shortfall) == .deferred)
      #expect(compaction.compact(for: shortfall) == .complete)
      #expect(environment.memory.value.migration.succeededCount == 0)
      for frame in held { environment.frames.release(frame) }
      try environment.checkInvariants([space])
      environment.spaces.release(space)
    }
  }

  @Test func `nothing is moved where a block is there or memory is short`() throws {
    try withMemory(frameCount: 4096) { environment in
      let shortfall = Shortfall(order: Order(9), zoneLimit: .normal, kind: .plain)
      #expect(Compaction(environment).compact(for: shortfall) == .skipped)
      let single = Shortfall(order: .zero, zoneLimit: .normal, kind: .plain)
      #expect(Compaction(environment).compact(for: single) == .skipped)
      #expect(environment.memory.value.compaction.migrateScannedCount == 0)
    }
  }
}
