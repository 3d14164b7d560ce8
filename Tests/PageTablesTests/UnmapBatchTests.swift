// SPDX-License-Identifier: Apache-2.0

import MemoryUnits
import PageTableFormats
import Testing

@testable import PageTables

@Suite struct UnmapBatchTests {
  @Test func `the machine notices a frame that is freed before the flush`() throws {
    try TestTables<X8664Format>.run(violations: .collect) { test in
      let address = VirtualAddress(0x40_0000)
      let frame = try test.map(address, .userWrite)
      try test.machine.store(UInt8(1), at: address)
      let cursor = test.tables.cursor(test.root, at: address)
      _ = cursor.take()
      test.frames.release(frame)
      #expect(!test.machine.violations.isEmpty)
    }
  }

  @Test func `no frame and no table is free before the flush`() throws {
    try TestTables<X8664Format>.run { test in
      let address = VirtualAddress(0x40_0000)
      let frame = try test.map(address, .userWrite)
      try test.machine.store(UInt8(1), at: address)
      var batch = UnmapBatch(test.tables)
      var cursor = test.tables.cursor(test.root, at: address)
      _ = cursor.take(into: &batch)
      #expect(test.machine.isCached(frame) && !test.isFree(frame))
      #expect(try test.machine.load(UInt8.self, at: address) == 1)
      batch.finish()
      #expect(!test.machine.isCached(frame) && test.isFree(frame))
      #expect(throws: (any Error).self) { try test.machine.load(UInt8.self, at: address) }
    }
  }

  @Test func `a batch frees any number of frames, each after its flush`() throws {
    try TestTables<X8664Format>.run { test in
      let before = test.usedFrames
      let start = VirtualAddress(0x40_0000)
      for page in 0..<200 {
        let address = start + PageCount(page * 3).bytes
        try test.map(address, .userWrite)
        try test.machine.store(UInt8(1), at: address)
      }
      var batch = UnmapBatch(test.tables)
      var cursor = test.tables.cursor(test.root, at: start)
      var count = 0
      while cursor.findOccupied(before: X8664Format.userLimit) {
        _ = cursor.take(into: &batch)
        count += 1
      }
      batch.finish()
      #expect(count == 200)
      #expect(test.usedFrames == before)
    }
  }

  @Test(arguments: [0, 1, 7, 16, 31], [false, true])
  func `neighbours are freed once each, wherever they begin and which way they follow`(
    offset: Int, isDownwards: Bool
  ) throws {
    try TestTables<X8664Format>.run { test in
      let before = test.usedFrames
      let start = VirtualAddress(0x40_0000)
      var frames = try (0..<200).map { _ in try test.allocate() }.sorted { $0 < $1 }
      for frame in frames.prefix(offset) { test.frames.release(frame) }
      frames = Array(frames.dropFirst(offset))
      if isDownwards { frames.reverse() }
      for (page, frame) in frames.enumerated() {
        var cursor = test.tables.cursor(test.root, at: start + PageCount(page).bytes)
        try cursor.set(frame, .userWrite)
        try test.machine.store(UInt8(1), at: start + PageCount(page).bytes)
      }
      var batch = UnmapBatch(test.tables)
      var cursor = test.tables.cursor(test.root, at: start)
      var found = cursor.findOccupied(before: X8664Format.userLimit)
      while found {
        cursor.takeEntries(before: X8664Format.userLimit, into: &batch) { _, _ in }
        found = cursor.moveToNextOccupied(before: X8664Format.userLimit)
      }
      batch.finish()
      #expect(test.usedFrames == before)
      try test.frames.checkInvariants()
    }
  }

  @Test func `a frame that others hold stays when the batch lets go of it`() throws {
    try TestTables<X8664Format>.run { test in
      let frame = try test.map(VirtualAddress(0x40_0000), .userRead)
      test.frames.retain(frame)
      var batch = UnmapBatch(test.tables)
      var cursor = test.tables.cursor(test.root, at: VirtualAddress(0x40_0000))
      _ = cursor.take(into: &batch)
      batch.finish()
      #expect(!test.isFree(frame) && test.frames.table[frame].references == 1)
    }
  }
}
