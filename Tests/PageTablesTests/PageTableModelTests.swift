// SPDX-License-Identifier: Apache-2.0

import MemoryUnits
import PageFrames
import PageTableFormats
import SimulatedMachine
import Testing

@testable import PageTables

/// Random verbs against a dictionary of what is mapped, on every format.
@Suite struct PageTableModelTests {
  @Test(arguments: [1, 2, 3] as [UInt64])
  func `a random history leaves what the model says`(seed: UInt64) throws {
    print("seed \(seed)")
    try play(X8664Format.self, seed)
    try play(I386Format.self, seed)
    try play(PAEFormat.self, seed)
    try play(Sv39Format.self, seed)
    try play(AArch64Format.self, seed)
  }

  private func play<Format: PageTableFormat>(_ format: Format.Type, _ seed: UInt64) throws {
    try TestTables<Format>.run(frameCount: 512, seed: seed) { test in
      var history = History(test: test, generator: SeededGenerator(seed: seed))
      for _ in 0..<600 { try history.step() }
      try history.end()
    }
  }
}

private struct History<Format: PageTableFormat> {
  let test: TestTables<Format>
  var generator: SeededGenerator
  var leaves: [UInt64: DecodedEntry.Leaf] = [:]
  var software: [UInt64: SoftwareEntry] = [:]

  /// Few places, each on the edge of some table.
  mutating func page() -> VirtualAddress {
    let level = generator.number(below: Format.levelCount)
    let edge = UInt64(1 + generator.number(below: 3)) << Format.pageSize(level: level).shift
    let near = edge &+ UInt64(generator.number(below: 6)) << 12 &- (3 << 12)
    return VirtualAddress(near < Format.userLimit.value ? near : 0x1000)
  }

  mutating func protection() -> Protection {
    [.userRead, .userWrite, .user, [.read, .execute, .user]][generator.number(below: 4)]
  }

  mutating func step() throws {
    switch generator.number(below: 6) {
    case 0, 1: try map(page(), protection())
    case 2: try unmap(page(), PageCount(generator.number(below: 8)))
    case 3: try protect(page(), PageCount(generator.number(below: 8)), protection())
    case 4: try keep(page(), .swap(device: 3, slot: UInt32(generator.number(below: 1 << 24))))
    default: touch(page())
    }
    try compare()
  }

  private mutating func map(_ address: VirtualAddress, _ protection: Protection) throws {
    guard leaves[address.value] == nil, leaves.count < 100 else { return }
    let frame = try test.allocate()
    var cursor = test.tables.cursor(test.root, at: address)
    try cursor.set(frame, protection)
    software[address.value] = nil
    leaves[address.value] = DecodedEntry.Leaf(
      frame: frame, protection: Format.granted(protection), isAccessed: false, isDirty: false)
  }

  private mutating func unmap(_ address: VirtualAddress, _ count: PageCount) throws {
    let end = address + count.bytes
    var batch = UnmapBatch(test.tables)
    var cursor = test.tables.cursor(test.root, at: page())
    cursor.move(to: address)
    while cursor.findOccupied(before: end) {
      let place = cursor.address.value
      switch cursor.take(into: &batch) {
      case .leaf(let leaf):
        #expect(leaves.removeValue(forKey: place)?.frame == leaf.frame)
      case .software(let entry): #expect(software.removeValue(forKey: place) == entry)
      case .empty, .table: Issue.record("nothing found at \(place)")
      }
    }
    batch.finish()
    for place in stride(from: address.value, to: end.value, by: 4096) {
      #expect(leaves[place] == nil && software[place] == nil)
    }
  }

  private mutating func protect(
    _ address: VirtualAddress, _ count: PageCount, _ protection: Protection
  ) throws {
    let end = address + count.bytes
    var cursor = test.tables.cursor(test.root, at: address)
    var found = cursor.findOccupied(before: end)
    while found {
      if case .leaf = cursor.entry {
        cursor.protect(protection)
        leaves[cursor.address.value]?.protection = Format.granted(protection)
      }
      found = cursor.moveToNextOccupied(before: end)
    }
    test.tables.flush(from: address, count)
  }

  private mutating func keep(_ address: VirtualAddress, _ entry: SoftwareEntry) throws {
    var cursor = test.tables.cursor(test.root, at: address)
    let old = try cursor.set(entry)
    #expect(old.leaf?.frame == leaves[address.value]?.frame)
    software[address.value] = entry
    leaves[address.value] = nil
    guard let frame = old.leaf?.frame else { return }
    test.machine.flush(.page(address))
    test.frames.release(frame)
  }

  private mutating func touch(_ address: VirtualAddress) {
    let isWrite = generator.oneIn(2)
    let done = (try? test.machine.access(address, isWrite ? .write : .read, by: .user)) != nil
    guard var leaf = leaves[address.value] else { return #expect(!done) }
    #expect(done == leaf.protection.contains(isWrite ? .write : .read))
    guard done else { return }
    leaf.isAccessed = true
    if isWrite { leaf.isDirty = true }
    leaves[address.value] = leaf
  }

  private func compare() throws {
    #expect(try test.leaves() == leaves)
    for (address, entry) in software {
      let cursor = test.tables.cursor(test.root, at: VirtualAddress(address))
      #expect(cursor.entry == .software(entry))
    }
    for (address, leaf) in leaves {
      let found = test.machine.translate(VirtualAddress(address), root: test.root)
      #expect(found?.leaf == leaf)
    }
  }

  /// Everything unmapped: only roots are left.
  mutating func end() throws {
    var batch = UnmapBatch(test.tables)
    var cursor = test.tables.cursor(test.root, at: VirtualAddress(0))
    while cursor.findOccupied(before: Format.userLimit) { _ = cursor.take(into: &batch) }
    batch.finish()
    #expect(try test.leaves().isEmpty)
    #expect(Set(test.usedFrames) == [test.root, test.kernelRoot])
  }
}
