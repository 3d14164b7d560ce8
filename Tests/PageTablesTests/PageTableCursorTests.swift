// SPDX-License-Identifier: Apache-2.0

import MemoryUnits
import PageTableFormats
import Testing

@testable import PageTables

@Suite struct PageTableCursorTests {
  /// The example of the text: virtual 0x12345678 in frame 0x9ABC.
  @Test func `a mapped address is translated to its frame`() throws {
    try TestTables<X8664Format>.run(frameCount: 0xA000) { test in
      let address = VirtualAddress(0x1234_5000)
      var cursor = test.tables.cursor(test.root, at: address)
      #expect(cursor.entry == .empty && cursor.level == 3)
      try cursor.set(PageFrameNumber(0x9ABC), [.read, .write, .user, .uncounted])
      #expect(cursor.level == 0 && cursor.entry.leaf?.frame == PageFrameNumber(0x9ABC))
      let physical = try test.machine.access(VirtualAddress(0x1234_5678), .read, by: .user)
      #expect(physical == PhysicalAddress(0x09AB_C678))
      #expect(test.tables.translate(test.root, address)?.leaf.isAccessed == true)
      #expect(test.tables.tableCount(test.root) == PageCount(3))
    }
  }

  @Test func `the last page taken out of a table takes all tables with it`() throws {
    try TestTables<X8664Format>.run { test in
      let before = test.usedFrames
      try test.map(VirtualAddress(0x40_0000), .userWrite)
      try test.map(VirtualAddress(0x40_1000), .userWrite)
      #expect(test.tables.tableCount(test.root) == PageCount(3))
      var batch = UnmapBatch(test.tables)
      var cursor = test.tables.cursor(test.root, at: VirtualAddress(0x40_0000))
      _ = cursor.take(into: &batch)
      #expect(cursor.level == 0)
      cursor.moveToNextPage()
      _ = cursor.take(into: &batch)
      #expect(cursor.level == 3 && cursor.entry == .empty)
      batch.finish()
      #expect(test.tables.tableCount(test.root) == PageCount.zero)
      #expect(test.usedFrames == before)
    }
  }

  @Test func `tables stay after take, and go with the root`() throws {
    try TestTables<X8664Format>.run { test in
      let before = test.usedFrames
      let root = try test.tables.makeRoot(sharing: test.kernelRoot)
      for address: UInt64 in [0x1000, 0x4000_0000, 0x7F_0000_0000, 0x7FFF_FFFF_E000] {
        var cursor = test.tables.cursor(root, at: VirtualAddress(address))
        try cursor.makeTables()
      }
      #expect(test.tables.tableCount(root) == PageCount(10))
      try test.tables.check(root, .user) { _, _, _ in }
      test.tables.freeRoot(root)
      #expect(test.usedFrames == before)
    }
  }

  @Test func `a step beyond a table, and from half to half, finds the right table`() throws {
    try TestTables<X8664Format>.run { test in
      let last = VirtualAddress(0x3FFF_FFFF_F000)
      let frames = try [test.map(last, .userRead), test.map(last.next, .userRead)]
      var cursor = test.tables.cursor(test.root, at: last)
      #expect(cursor.entry.leaf?.frame == frames[0])
      cursor.moveToNextPage()
      #expect(cursor.address == last.next && cursor.entry.leaf?.frame == frames[1])
      cursor.move(to: VirtualAddress(0xFFFF_C900_0000_0000))
      #expect(cursor.entry == .empty && cursor.level == 3)
      cursor.move(to: last)
      #expect(cursor.entry.leaf?.frame == frames[0])
    }
  }

  @Test func `the search passes holes and ends at its limit`() throws {
    try TestTables<X8664Format>.run { test in
      let places: [UInt64] = [0x1000, 0x1F_F000, 0x20_0000, 0x4000_0000, 0x80_0000_0000]
      for place in places { try test.map(VirtualAddress(place), .userRead) }
      let limits: [UInt64] = [0x1000, 0x1001, 0x2000, 0x20_0000, 0x4000_1000, 0x7FFF_FFFF_F000]
      for limit in limits {
        var seen: [UInt64] = []
        var cursor = test.tables.cursor(test.root, at: VirtualAddress(0))
        var found = cursor.findOccupied(before: VirtualAddress(limit))
        while found {
          #expect(cursor.level == 0)
          seen.append(cursor.address.value)
          found = cursor.moveToNextOccupied(before: VirtualAddress(limit))
        }
        #expect(seen == places.filter { $0 < limit })
      }
    }
  }

  @Test func `a large page is one leaf of its level`() throws {
    try TestTables<X8664Format>.run { test in
      let base = VirtualAddress(0xFFFF_8880_0020_0000)
      var cursor = test.tables.cursor(test.kernelRoot, at: base)
      try cursor.setLarge(PageFrameNumber(0), [.read, .write, .global], level: 1)
      cursor.move(to: VirtualAddress(0xFFFF_8880_0030_0000))
      #expect(cursor.level == 1 && cursor.entry.leaf?.frame == PageFrameNumber(0))
      cursor.move(to: VirtualAddress(0xFFFF_8880_0000_0000))
      let isFound = cursor.findOccupied(before: VirtualAddress(0xFFFF_8881_0000_0000))
      #expect(isFound && cursor.address == base)
      let isAnother = cursor.moveToNextOccupied(before: VirtualAddress(0xFFFF_8881_0000_0000))
      #expect(!isAnother)
      let root = try test.tables.makeRoot(sharing: test.kernelRoot)
      #expect(test.tables.translate(root, base)?.level == 1)
      try test.tables.check(root, .kernel) { address, _, level in
        #expect(address == base && level == 1)
      }
      try test.tables.check(test.kernelRoot, .kernel) { _, _, _ in }
      test.tables.freeRoot(root)
    }
  }

  @Test func `entries change without moving`() throws {
    try TestTables<X8664Format>.run { test in
      let address = VirtualAddress(0x40_0000)
      let frame = try test.map(address, .userWrite)
      var cursor = test.tables.cursor(test.root, at: address)
      cursor.mark(.written)
      #expect(cursor.entry.leaf?.isDirty == true)
      var wasSet = (cursor.clearAccessed(), cursor.clearAccessed())
      #expect(wasSet == (true, false))
      wasSet = (cursor.clearDirty(), cursor.clearDirty())
      #expect(wasSet == (true, false))
      cursor.writeProtect()
      #expect(cursor.entry.leaf?.protection == .userRead)
      cursor.protect(.user)
      #expect(cursor.entry.leaf?.protection == .user && cursor.entry.leaf?.frame == frame)
      cursor.protect(.userWrite)
      let old = try cursor.set(.swap(device: 1, slot: 7))
      #expect(old.leaf?.frame == frame)
      #expect(cursor.entry == .software(.swap(device: 1, slot: 7)))
      let kept = cursor.replace(frame, .userRead)
      #expect(kept == .software(.swap(device: 1, slot: 7)))
      try test.tables.check(test.root, .user) { _, _, _ in }
    }
  }
}

extension VirtualAddress {
  var next: Self { self + PageCount(1).bytes }
}
