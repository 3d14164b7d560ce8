// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import MemoryEvents
import MemoryUnits
import PageFrames
import PageTableFormats
import SimulatedMachine
import Testing

private let base = VirtualAddress(0x10_0000)
private let size = UInt64(4096)

@Suite struct MigrationTests {
  private func map(
    _ environment: TestEnvironment, _ space: Reference<AddressSpace>, pages: Int,
    _ protection: Protection = .read.union(.write), isShared: Bool = false,
    source: MapRequest.Source = .anonymous
  ) throws {
    var request = MapRequest(
      .fixed(base), byteCount: PageCount(pages).bytes, protection: protection, source: source)
    if isShared { request.attributes.formUnion(.shared) }
    _ = try environment.spaces.map(space, request)
  }

  private func leaf(
    _ environment: TestEnvironment, _ space: Reference<AddressSpace>, _ page: Int = 0
  ) throws -> DecodedEntry.Leaf {
    let address = base + ByteCount(UInt64(page) * size)
    return try #require(
      environment.tables.translate(environment.heap[space].root, address)?.leaf)
  }

  /// What the log says of every frame that it may speak of.
  private func expectLogAgrees(_ environment: TestEnvironment) {
    for (number, state) in environment.machine.replay.states.enumerated() {
      let descriptor = environment.frames.table[PageFrameNumber(UInt32(number))]
      guard descriptor.kind == .anonymous || descriptor.kind == .file else { continue }
      #expect(state.kind == descriptor.kind && state.mappings == descriptor.mappings)
      #expect(state.owner == descriptor.owner && state.index == descriptor.index)
    }
  }

  @Test func `a private page is somewhere else and the program does not notice`() throws {
    try withMemory(frameCount: 512) { environment in
      let spaces = environment.spaces
      let space = try spaces.makeSpace()
      try map(environment, space, pages: 3)
      try spaces.store(UInt64(77), at: base, in: space)
      try spaces.lock(space, from: base, byteCount: ByteCount(size), .onFault)
      let old = try leaf(environment, space)
      let free = environment.freeFrameCount
      let target = try spaces.migrate(old.frame)
      let new = try leaf(environment, space)
      #expect(new.frame == target && target != old.frame)
      #expect(new.protection == old.protection && new.isDirty == old.isDirty)
      #expect(new.isAccessed == old.isAccessed)
      #expect(try spaces.load(UInt64.self, at: base, in: space) == 77)
      #expect(environment.frames.table[target].flags.contains(.exclusive.union(.memoryLocked)))
      #expect(environment.freeFrameCount == free)
      #expect(environment.memory.value.migration.succeededCount == 1)
      try environment.checkInvariants([space])
      try environment.frames.checkInvariants()
      expectLogAgrees(environment)
      spaces.release(space)
    }
  }

  @Test func `a page that parent and children share goes for all of them`() throws {
    try withMemory(frameCount: 512) { environment in
      let spaces = environment.spaces
      let parent = try spaces.makeSpace()
      try map(environment, parent, pages: 2)
      try spaces.store(UInt64(5), at: base, in: parent)
      let child = try spaces.duplicate(parent)
      let grandchild = try spaces.duplicate(child)
      let all = [parent, child, grandchild]
      let old = try leaf(environment, parent).frame
      let target = try spaces.migrate(old)
      for space in all {
        #expect(try leaf(environment, space).frame == target)
        #expect(try spaces.load(UInt64.self, at: base, in: space) == 5)
      }
      #expect(environment.frames.table[target].mappings == 3)
      #expect(environment.frames.table[old].kind == .free)
      try environment.checkInvariants(all)
      try spaces.store(UInt64(6), at: base, in: child)
      #expect(try spaces.load(UInt64.self, at: base, in: parent) == 5)
      expectLogAgrees(environment)
      for space in all { spaces.release(space) }
      try environment.frames.checkInvariants()
    }
  }

  @Test func `a file's pages keep their place in cache and list, clean or dirty`() throws {
    try withMemory(frameCount: 1024) { environment in
      let spaces = environment.spaces
      let space = try spaces.makeSpace()
      let file = try spaces.makeFile(byteCount: 8 * size, owner: 1, backing: .disk)
      try map(environment, space, pages: 8, isShared: true, source: .file(file, pageIndex: 0))
      for index in 0..<UInt64(8) {
        _ = try spaces.load(UInt8.self, at: base + ByteCount(index * size), in: space)
      }
      try spaces.store(UInt8(200), at: base + ByteCount(2 * size), in: space)
      for index in 0..<UInt64(8) {
        let old = try #require(spaces.presentPage(of: file, index: index))
        environment.frames.release(old)
        let before = environment.frames.table[old]
        let target = try spaces.migrate(old)
        let after = environment.frames.table[target]
        #expect(after.flags == before.flags && after.privateWord == before.privateWord)
        #expect(after.references == before.references && after.mappings == before.mappings)
        let now = try #require(spaces.presentPage(of: file, index: index))
        environment.frames.release(now)
        #expect(now == target)
      }
      #expect(environment.heap[file].dirtyCount == PageCount(1))
      try environment.checkInvariants([space])
      #expect(try spaces.load(UInt8.self, at: base + ByteCount(2 * size), in: space) == 200)
      for index in [UInt64(0), 1, 3, 7] {
        let value = try spaces.load(UInt8.self, at: base + ByteCount(index * size), in: space)
        #expect(value == TestEnvironment.content(owner: 1, index: index))
      }
      // The list of file pages still leads to each of them.
      spaces.startWriteBack(of: file, .idle)
      spaces.release(space)
      var dropped = 0
      while let frame = spaces.oldestFilePage {
        spaces.dropPage(of: file, index: environment.frames.table[frame].index)
        dropped += 1
      }
      #expect(dropped == 8)
      try environment.frames.checkInvariants()
      spaces.release(file)
    }
  }

  @Test func `memory that processes share is moved without a disk or swap`() throws {
    try withMemory(frameCount: 512) { environment in
      let spaces = environment.spaces
      let space = try spaces.makeSpace()
      let file = try spaces.makeFile(byteCount: 4 * size, owner: 0, backing: .memory)
      try map(environment, space, pages: 4, isShared: true, source: .file(file, pageIndex: 0))
      try spaces.store(UInt32(9), at: base, in: space)
      let other = try spaces.duplicate(space)
      _ = try spaces.load(UInt32.self, at: base, in: other)
      let old = try leaf(environment, space).frame
      let target = try spaces.migrate(old)
      #expect(try leaf(environment, other).frame == target)
      try spaces.store(UInt32(10), at: base, in: other)
      #expect(try spaces.load(UInt32.self, at: base, in: space) == 10)
      try environment.checkInvariants([space, other])
      spaces.release(space)
      spaces.release(other)
      spaces.release(file)
      try environment.frames.checkInvariants()
    }
  }

  @Test func `what is held, on its way, or the kernel's stays, and says why`() throws {
    try withMemory(frameCount: 512) { environment in
      let spaces = environment.spaces
      let frames = environment.frames
      let space = try spaces.makeSpace()
      try map(environment, space, pages: 1)
      try spaces.store(UInt64(1), at: base, in: space)
      let frame = try leaf(environment, space).frame
      frames.retain(frame)
      #expect(throws: MigrationRefusal.pinned) { try spaces.migrate(frame) }
      frames.release(frame)
      let file = try spaces.makeFile(byteCount: size, owner: 1, backing: .disk)
      let page = try spaces.page(of: file, index: 0)
      #expect(throws: MigrationRefusal.pinned) { try spaces.migrate(page) }
      frames.release(page)
      for flag in [FrameFlags.locked, .writeback] {
        frames.table[page].flags.insert(flag)
        #expect(throws: MigrationRefusal.underTransfer) { try spaces.migrate(page) }
        frames.table[page].flags.remove(flag)
      }
      let table = environment.heap[space].root
      #expect(throws: MigrationRefusal.notMovable) { try spaces.migrate(table) }
      #expect(environment.memory.value.migration.failedCount == 5)
      #expect(environment.memory.value.migration.succeededCount == 0)
      try environment.checkInvariants([space])
      spaces.release(space)
      spaces.release(file)
    }
  }

  @Test func `without a frame to go to everything stays as it is`() throws {
    try withMemory(frameCount: 512) { environment in
      let spaces = environment.spaces
      let space = try spaces.makeSpace()
      try map(environment, space, pages: 1)
      try spaces.store(UInt64(3), at: base, in: space)
      let frame = try leaf(environment, space).frame
      var taken: [PageFrameNumber] = []
      while let block = try? environment.frames.allocate(FrameRequest()) {
        taken.append(block.surrender())
      }
      #expect(throws: MigrationRefusal.outOfMemory) { try spaces.migrate(frame) }
      #expect(try leaf(environment, space).frame == frame)
      #expect(try spaces.load(UInt64.self, at: base, in: space) == 3)
      try environment.checkInvariants([space])
      for frame in taken { environment.frames.free(.adopt(frame)) }
      #expect(try spaces.migrate(frame) != frame)
      spaces.release(space)
    }
  }
}
