// SPDX-License-Identifier: Apache-2.0

import KernelMappings
import Machine
import MemoryUnits
import PageFrames
import PageTables
import SimulatedMachine
import Testing

/// Guards behind blocks are out of the direct map, where that is of single pages.
@Suite struct GuardTests {
  private func address(_ test: TestMappings, _ frame: PageFrameNumber) -> VirtualAddress {
    test.mappings.address(of: frame.address)
  }

  private func canTouch(_ test: TestMappings, _ frame: PageFrameNumber) -> Bool {
    test.canAccess(address(test, frame), .read) && test.canAccess(address(test, frame), .write)
  }

  private func check(_ test: TestMappings) throws {
    try test.mappings.tables.check(test.mappings.root, .kernel) { _, _, _ in }
    try test.frames.checkInvariants()
  }

  @Test func `the direct map in single pages says so, and stays so`() throws {
    try TestMappings.run { test in
      let bytes = (0..<3).map { test.mappings.directMapByteCount(level: $0).value }
      try test.mappings.splitDirectMap()
      let after = (0..<3).map { test.mappings.directMapByteCount(level: $0).value }
      #expect(after == [bytes.reduce(0, +), 0, 0])
      let frame = PageFrameNumber(0x300)
      try test.mappings.protectDirectMap(from: frame, PageCount(1), .read)
      try test.mappings.protectDirectMap(from: frame, PageCount(1), .readWrite)
      #expect(test.mappings.directMapByteCount(level: 0).value == after[0])
      #expect(canTouch(test, frame))
      try check(test)
    }
  }

  @Test(arguments: [UInt8(1), 2, 3]) func `a guard cannot be touched until its block is freed`(
    below: UInt8
  ) throws {
    try TestMappings.run(violations: .collect) { test in
      try test.mappings.splitDirectMap()
      test.frames.guardBlocks(below: Order(below))
      let frame = try test.frames.allocate(FrameRequest(kind: .plain)).surrender()
      #expect(canTouch(test, frame))
      let guards = (1..<1 << Int(below)).map { frame + PageCount($0) }
      for guardFrame in guards {
        #expect(!test.canAccess(address(test, guardFrame), .read))
        #expect(!test.canAccess(address(test, guardFrame), .write))
        #expect(test.mappings.translate(address(test, guardFrame)) == nil)
      }
      #expect(canTouch(test, frame + PageCount(1 << Int(below))))
      #expect(test.frames.checkPatterns() == 0)
      #expect(!test.canAccess(address(test, guards[0]), .read), "a look leaves it withheld")
      try check(test)
      // A device is not kept from it.
      test.machine.withBytes(of: guards[0]) { $0.store(UInt8(1), at: 7) }
      test.frames.free(.adopt(frame))
      #expect(test.frames.lastFault?.kind == .guardWritten)
      #expect(test.frames.lastFault?.frame == guards[0])
      for guardFrame in guards { #expect(canTouch(test, guardFrame)) }
      test.frames.guardBlocks(below: .zero)
      try check(test)
    }
  }

  @Test func `in larger pages a guard is known by its pattern alone`() throws {
    try TestMappings.run(violations: .collect) { test in
      // The first large page is in single ones, since the image lies there.
      var low: [PageFrameNumber] = []
      var frame: PageFrameNumber
      test.frames.guardBlocks(below: Order(1))
      repeat {
        frame = try test.frames.allocate(FrameRequest(kind: .plain)).surrender()
        low.append(frame)
      } while frame.value < 0x200
      let next = frame + PageCount(1)
      let isLarge = test.mappings.tables.translate(
        test.mappings.root, address(test, next))?.level ?? 0 > 0
      #expect(isLarge && canTouch(test, next))
      test.machine.withBytes(of: next) { $0.store(UInt8(1), at: 7) }
      for frame in low { test.frames.free(.adopt(frame)) }
      #expect(test.frames.faultCount == 1 && test.frames.lastFault?.kind == .guardWritten)
    }
  }
}
