// SPDX-License-Identifier: Apache-2.0

import MemoryUnits
import PageFrames
import PageTableFormats
import SimulatedMachine
import Testing

@testable import PageTables

/// What the walk at a run's end has to find.
@Suite struct PageTableCheckTests {
  private static let kernel = VirtualAddress(0xFFFF_C900_0000_0000)
  private static let user = VirtualAddress(0x40_0000)

  private func violation<Format: PageTableFormat>(
    _ test: TestTables<Format>, _ root: PageFrameNumber, _ half: AddressHalf
  ) -> PageTableViolation? {
    do throws(PageTableViolation) {
      try test.tables.check(root, half) { _, _, _ in }
      return nil
    } catch {
      return error
    }
  }

  @Test func `a kernel page that can be written and executed is found`() throws {
    try TestTables<X8664Format>.run { test in
      var cursor = test.tables.cursor(test.kernelRoot, at: Self.kernel)
      try cursor.set(try test.allocate(), [.read, .execute, .global])
      #expect(violation(test, test.kernelRoot, .kernel) == nil)
      cursor.protect([.read, .write, .execute])
      #expect(violation(test, test.kernelRoot, .kernel) == .writableAndExecutable(Self.kernel))
    }
  }

  @Test func `where nothing forbids execution, a writable page is no violation`() throws {
    try TestTables<I386Format>.run { test in
      var cursor = test.tables.cursor(test.kernelRoot, at: VirtualAddress(0xC000_0000))
      try cursor.set(try test.allocate(), [.read, .write])
      #expect(violation(test, test.kernelRoot, .kernel) == nil)
    }
  }

  @Test func `a page in the wrong half is found`() throws {
    try TestTables<X8664Format>.run { test in
      var cursor = test.tables.cursor(test.kernelRoot, at: Self.kernel)
      try cursor.set(try test.allocate(), .userRead)
      #expect(violation(test, test.kernelRoot, .kernel) == .userPageInKernelHalf(Self.kernel))
      cursor = test.tables.cursor(test.root, at: Self.user)
      try cursor.set(try test.allocate(), .read)
      #expect(violation(test, test.root, .user) == .kernelPageInUserHalf(Self.user))
    }
  }

  @Test func `a wrong count of entries or tables is found`() throws {
    try TestTables<X8664Format>.run { test in
      try test.map(Self.user, .userRead)
      let entries = test.tables.entries(test.root)
      guard case .table(let below) = X8664Format.decode(entries[0], level: 3) else { return }
      test.frames.table[below].privateWord += 1
      #expect(violation(test, test.root, .user) == .entriesMiscounted(table: below))
      test.frames.table[below].privateWord -= 1
      test.frames.table[test.root].previous += 1
      #expect(violation(test, test.root, .user) == .tablesMiscounted(root: test.root))
      test.frames.table[test.root].previous -= 1
      #expect(violation(test, test.root, .user) == nil)
    }
  }

  @Test func `an entry that leads to a frame of another kind is found`() throws {
    try TestTables<X8664Format>.run { test in
      let frame = try test.allocate()
      test.tables.entries(test.root)[3] = X8664Format.table(frame, level: 3)
      let place = VirtualAddress(3 << 39)
      #expect(violation(test, test.root, .user) == .notATable(frame, at: place))
    }
  }

  @Test func `a failed allocation leaves tables that the next attempt uses`() throws {
    try TestTables<X8664Format>.run { test in
      var taken: [PageFrameNumber] = []
      while let frame = try? test.allocate(.plain) { taken.append(frame) }
      // One frame: for the first of three tables.
      test.frames.release(taken.removeLast())
      var cursor = test.tables.cursor(test.root, at: Self.user)
      var failure: AllocationError?
      do throws(AllocationError) { try cursor.makeTables() } catch { failure = error }
      #expect(failure == .outOfMemory && cursor.level > 0)
      #expect(violation(test, test.root, .user) == nil)
      for frame in taken { test.frames.release(frame) }
      try cursor.makeTables()
      #expect(cursor.level == 0 && test.tables.tableCount(test.root) == PageCount(3))
    }
  }
}
