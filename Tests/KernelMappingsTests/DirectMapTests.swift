// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import KernelMappings
import Machine
import MemoryUnits
import PageFrames
import PageTableFormats
import PageTables
import SimulatedMachine
import Testing

@Suite struct DirectMapTests {
  private static let direct: UInt64 = 0xFFFF_8880_0000_0000
  /// In the middle of a large page.
  private static let frame = PageFrameNumber(0x300)

  private func kibibytes(_ test: TestMappings) -> [UInt64] {
    (0..<3).map { test.mappings.directMapByteCount(level: $0).value / 1024 }
  }

  @Test func `the lines of pages say what is mapped`() throws {
    try TestMappings.run { test in
      #expect(kibibytes(test) == [2048, 6144, 0])
    }
  }

  @Test func `a page without the right to write splits its large page, and gives it back`() throws {
    try TestMappings.run { test in
      let place = VirtualAddress(Self.direct + Self.frame.address.value)
      _ = try test.machine.access(place, .write, by: .kernel)
      let free = test.frames.freePageCount + test.frames.cachedPageCount
      try test.mappings.protectDirectMap(from: Self.frame, PageCount(1), .read)
      #expect(kibibytes(test) == [4096, 4096, 0])
      #expect(!test.canAccess(place, .write) && test.canAccess(place, .read))
      #expect(test.canAccess(place + ByteCount(4096), .write))
      #expect(test.canAccess(VirtualAddress(place.value - 1), .write))
      try test.mappings.tables.check(test.mappings.root, .kernel) { _, _, _ in }
      try test.mappings.protectDirectMap(from: Self.frame, PageCount(1), .readWrite)
      #expect(kibibytes(test) == [2048, 6144, 0])
      #expect(test.canAccess(place, .write))
      #expect(test.frames.freePageCount + test.frames.cachedPageCount == free)
      try test.mappings.tables.check(test.mappings.root, .kernel) { _, _, _ in }
    }
  }

  @Test func `a whole large page changes without a split`() throws {
    try TestMappings.run { test in
      let first = PageFrameNumber(0x400)
      try test.mappings.protectDirectMap(from: first, PageCount(512), .inaccessible)
      #expect(kibibytes(test) == [2048, 6144, 0])
      let place = VirtualAddress(Self.direct + first.address.value)
      #expect(!test.canAccess(place, .read) && test.mappings.translate(place) == nil)
      try test.mappings.protectDirectMap(from: first, PageCount(512), .readWrite)
      #expect(test.canAccess(place, .write))
      #expect(test.leaf(place.value)?.protection == [.read, .write, .global])
    }
  }

  @Test func `a range over several large pages leaves its ends as they were`() throws {
    try TestMappings.run { test in
      let first = PageFrameNumber(0x2FF)
      try test.mappings.protectDirectMap(from: first, PageCount(0x302), .read)
      var writable = 0
      try test.mappings.tables.check(test.mappings.root, .kernel) { address, leaf, level in
        guard address.value >= Self.direct + 0x20_0000, address.value < Self.direct + 0x80_0000
        else { return }
        if leaf.protection.contains(.write) {
          writable += Int(X8664Format.pageSize(level: level).bytes / 4096)
        }
      }
      #expect(writable == 3 * 512 - 0x302)
      #expect(kibibytes(test) == [2048 + 4096, 2048, 0])
      try test.mappings.protectDirectMap(from: first, PageCount(0x302), .readWrite)
      #expect(kibibytes(test) == [2048, 6144, 0])
    }
  }

  @Test func `what is not there, and what could be written and executed, is refused`() throws {
    try TestMappings.run { test in
      #expect(throws: DirectMapError.notMapped) {
        try test.mappings.protectDirectMap(
          from: PageFrameNumber(0x900), PageCount(1), .read)
      }
      #expect(throws: DirectMapError.writableAndExecutable) {
        try test.mappings.protectDirectMap(
          from: Self.frame, PageCount(1), [.read, .write, .execute])
      }
      test.frames.inject(FailureInjection(interval: 1))
      #expect(throws: DirectMapError.outOfMemory) {
        try test.mappings.protectDirectMap(from: Self.frame, PageCount(1), .read)
      }
      test.frames.inject(.none)
      #expect(kibibytes(test) == [2048, 6144, 0])
    }
  }

  @Test func `addresses are translated in both directions`() throws {
    try TestMappings.run { test in
      let physical = PhysicalAddress(0x34_5678)
      let address = test.mappings.address(of: physical)
      #expect(address.value == Self.direct + 0x34_5678)
      #expect(test.mappings.translate(address) == physical)
      let text = TestMappings.text.address + ByteCount(0x1234)
      #expect(test.mappings.translate(text)?.value == 0x10_1234)
      let area = try test.mappings.areas.allocate(ByteCount(4096))
      #expect(test.mappings.translate(area) == test.mappings.areas.translate(area))
      #expect(test.mappings.translate(VirtualAddress(0x1000)) == nil)
      #expect(test.mappings.translate(VirtualAddress(Self.direct + 0x80_0000)) == nil)
      try test.mappings.areas.free(area)
    }
  }

  @Test func `a CPU with pages of 1 GiB maps by them, and puts them together again`() throws {
    try TestMappings.run { test in
      let tables = test.mappings.tables
      let mappings = try KernelMappings(
        tables: tables, heap: test.heap, layout: .x86_64, largestLevel: 2)
      try mappings.mapMemory(from: PhysicalAddress(0), ByteCount(0x4040_0000))
      func kibibytes() -> [UInt64] {
        (0..<3).map { mappings.directMapByteCount(level: $0).value >> 10 }
      }
      #expect(kibibytes() == [0, 4096, 1 << 20])
      try mappings.protectDirectMap(from: Self.frame, PageCount(1), .read)
      #expect(kibibytes() == [2048, (1 << 20) + 4096 - 2048, 0])
      try mappings.protectDirectMap(from: Self.frame, PageCount(1), .readWrite)
      #expect(kibibytes() == [0, 4096, 1 << 20])
    }
  }
}
