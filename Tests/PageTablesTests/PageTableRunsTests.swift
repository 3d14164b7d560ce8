// SPDX-License-Identifier: Apache-2.0

import MemoryUnits
import PageFrames
import PageTableFormats
import Testing

@testable import PageTables

@Suite struct PageTableRunsTests {
  let start = VirtualAddress(0x40_0000)

  private func address(_ page: Int) -> VirtualAddress { start + PageCount(page).bytes }

  @Test(arguments: [1, 3, 7])
  func `a run takes each entry before its limit once, and its table when that is empty`(
    stride: Int
  ) throws {
    try TestTables<X8664Format>.run { test in
      let before = test.usedFrames
      let pages = (0..<90).map { $0 * stride }
      for page in pages {
        try test.map(address(page), .userWrite)
        try test.machine.store(UInt8(1), at: address(page))
      }
      var seen: [Int] = []
      for limit in [address(91), X8664Format.userLimit] {
        var batch = UnmapBatch(test.tables)
        var cursor = test.tables.cursor(test.root, at: start)
        var found = cursor.findOccupied(before: limit)
        while found {
          cursor.takeEntries(before: limit, into: &batch) { entry, page in
            #expect(entry.leaf?.isDirty == true)
            seen.append(Int(page.value - start.page.value))
          }
          found = cursor.moveToNextOccupied(before: limit)
        }
        batch.finish()
        #expect(seen == pages.filter { address($0) < limit })
        try test.tables.check(test.root, .user) { _, _, _ in }
      }
      #expect(test.tables.tableCount(test.root) == PageCount.zero)
      #expect(test.usedFrames == before)
    }
  }

  @Test func `pages are shared without the right to write, the copies not accessed`() throws {
    try TestTables<X8664Format>.run { test in
      for page in [0, 1, 500, 511, 512, 700] {
        try test.map(address(page), page == 1 ? .userRead : .userWrite)
        test.tables.cursor(test.root, at: address(page)).mark(.written)
      }
      let child = try test.tables.makeRoot(sharing: test.kernelRoot)
      var from = test.tables.cursor(test.root, at: start)
      var to = test.tables.cursor(child, at: start)
      let limit = address(700)
      var seen: [Int] = []
      var found = from.findOccupied(before: limit)
      while found {
        to.move(to: from.address)
        try to.makeTables()
        to.shareEntries(of: &from, before: limit) { leaf, page in
          #expect(leaf.protection.contains(.write) == (page != address(1).page))
          seen.append(Int(page.value - start.page.value))
        }
        found = from.moveToNextOccupied(before: limit)
      }
      #expect(seen == [0, 1, 500, 511, 512])
      for page in seen {
        let old = test.tables.translate(test.root, address(page))?.leaf
        let new = test.tables.translate(child, address(page))?.leaf
        #expect(old?.frame == new?.frame && old?.protection == .userRead)
        #expect(old?.isAccessed == true && new?.isAccessed == false && new?.isDirty == true)
      }
      #expect(test.tables.translate(child, address(700)) == nil)
      let last = test.tables.translate(test.root, address(700))?.leaf
      #expect(last?.protection == .userWrite)
      try test.tables.check(child, .user) { _, _, _ in }
    }
  }

  @Test func `rights change up to the limit, and to write stays only where it was`() throws {
    try TestTables<X8664Format>.run { test in
      for page in [0, 2, 5] { try test.map(address(page), page == 2 ? .userRead : .userWrite) }
      var cursor = test.tables.cursor(test.root, at: start)
      let executable = Protection.userRead.union(.execute)
      cursor.protectEntries(before: address(5), executable, keepingWrite: true)
      #expect(rights(test, 0) == executable.union(.write))
      #expect(rights(test, 2) == executable && rights(test, 5) == .userWrite)
      cursor.move(to: start)
      cursor.protectEntries(before: address(6), .userRead, keepingWrite: false)
      #expect([0, 2, 5].allSatisfy { rights(test, $0) == .userRead })
    }
  }

  private func rights(_ test: TestTables<X8664Format>, _ page: Int) -> Protection? {
    test.tables.translate(test.root, address(page))?.leaf.protection
  }

  @Test func `a table whose entries moved away goes, and none is lost`() throws {
    try TestTables<X8664Format>.run { test in
      for page in [3, 4, 9] { try test.map(address(page), .userWrite) }
      var from = test.tables.cursor(test.root, at: start)
      let target = start + PageCount(512 * 512 + 100).bytes
      var to = test.tables.cursor(test.root, at: target)
      try to.makeTables()
      let passed = from.moveEntries(to: &to, atMost: PageCount(600))
      #expect(passed == PageCount(412))
      var batch = UnmapBatch(test.tables)
      from.takeEmptyTables(into: &batch)
      batch.finish()
      #expect(from.level > 0)
      for page in 0..<12 {
        let moved = test.tables.translate(test.root, target + PageCount(page).bytes)
        #expect((moved != nil) == [3, 4, 9].contains(page))
      }
      try test.tables.check(test.root, .user) { _, _, _ in }
    }
  }
}
