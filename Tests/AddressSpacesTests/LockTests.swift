// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import MemoryEvents
import MemoryUnits
import PageFrames
import PageTableFormats
import Testing

private let base = VirtualAddress(0x10_0000)
private let size = UInt64(4096)

/// What is locked, and that it stays in memory. Limits have a suite of their own.
@Suite struct LockTests {
  private func map(
    _ environment: TestEnvironment, _ space: Reference<AddressSpace>, pages: Int,
    _ protection: Protection = .readWrite, _ attributes: AreaAttributes = [],
    source: MapRequest.Source = .anonymous
  ) throws {
    _ = try environment.spaces.map(
      space,
      MapRequest(
        .fixed(base), byteCount: PageCount(pages).bytes, protection: protection,
        attributes: attributes, source: source))
  }

  private func place(_ page: Int) -> VirtualAddress { base + ByteCount(UInt64(page) * size) }

  private func frame(
    _ environment: TestEnvironment, _ space: Reference<AddressSpace>, _ page: Int
  ) -> PageFrameNumber? {
    environment.tables.translate(environment.heap[space].root, place(page))?.leaf.frame
  }

  private func isLocked(
    _ environment: TestEnvironment, _ space: Reference<AddressSpace>, _ page: Int
  ) -> Bool {
    guard let frame = frame(environment, space, page) else { return false }
    return environment.frames.table[frame].flags.contains(.memoryLocked)
  }

  private func areaCount(
    _ environment: TestEnvironment, _ space: Reference<AddressSpace>
  ) -> UInt32 { environment.heap[space].areaCount }

  @Test func `a lock cuts an area in three and makes its pages present, an unlock merges`() throws {
    try withMemory(frameCount: 512) { environment in
      let spaces = environment.spaces
      let space = try spaces.makeSpace()
      try map(environment, space, pages: 8)
      try spaces.store(UInt8(1), at: place(3), in: space)
      try spaces.lock(space, from: place(2) + ByteCount(5), byteCount: ByteCount(size), .present)
      #expect(areaCount(environment, space) == 3)
      #expect(environment.heap[space].lockedPageCount == PageCount(2))
      #expect((0..<8).filter { isLocked(environment, space, $0) } == [2, 3])
      #expect(environment.memory.value.locked.anonymous == PageCount(2))
      #expect(environment.heap[space].anonymousCount == PageCount(2))
      try environment.checkInvariants([space])
      // Twice is once.
      try spaces.lock(space, from: place(2), byteCount: ByteCount(2 * size), .present)
      #expect(environment.memory.value.locked.lockedCount == 2)
      try spaces.unlock(space, from: place(0), byteCount: ByteCount(8 * size))
      #expect(areaCount(environment, space) == 1)
      #expect(environment.heap[space].lockedPageCount == .zero)
      #expect(environment.memory.value.locked.total == .zero)
      #expect(environment.memory.value.locked.unlockedCount == 2)
      try environment.checkInvariants([space])
      spaces.release(space)
    }
  }

  @Test func `pages of a lock on fault come when they are touched, and are locked then`() throws {
    try withMemory(frameCount: 512) { environment in
      let spaces = environment.spaces
      let space = try spaces.makeSpace()
      try map(environment, space, pages: 4)
      try spaces.lock(space, from: base, byteCount: ByteCount(4 * size), .onFault)
      #expect(environment.heap[space].lockedPageCount == PageCount(4))
      #expect(environment.heap[space].residentCount == .zero)
      // A page of zeros is nobody's, and not locked.
      _ = try spaces.load(UInt8.self, at: place(1), in: space)
      #expect(environment.memory.value.locked.total == .zero)
      try spaces.store(UInt8(1), at: place(1), in: space)
      try spaces.store(UInt8(1), at: place(2), in: space)
      #expect((0..<4).filter { isLocked(environment, space, $0) } == [1, 2])
      // The other manner changes no count, and brings the rest.
      try spaces.lock(space, from: base, byteCount: ByteCount(4 * size), .present)
      #expect(environment.heap[space].lockedPageCount == PageCount(4))
      #expect((0..<4).allSatisfy { isLocked(environment, space, $0) })
      try environment.checkInvariants([space])
      spaces.release(space)
      try environment.checkInvariants([])
    }
  }

  @Test func `the part before a hole is locked, but its pages do not come`() throws {
    try withMemory(frameCount: 512) { environment in
      let spaces = environment.spaces
      let space = try spaces.makeSpace()
      try map(environment, space, pages: 8)
      try spaces.unmap(space, from: place(4), byteCount: ByteCount(size))
      #expect(throws: MemoryError.outOfMemory) {
        try spaces.lock(space, from: base, byteCount: ByteCount(8 * size), .present)
      }
      #expect(environment.heap[space].lockedPageCount == PageCount(4))
      #expect(environment.heap[space].residentCount == .zero)
      #expect(throws: MemoryError.outOfMemory) {
        try spaces.lock(space, from: place(4), byteCount: ByteCount(2 * size), .present)
      }
      #expect(throws: MemoryError.outOfMemory) {
        try spaces.unlock(space, from: place(2), byteCount: ByteCount(8 * size))
      }
      #expect(environment.heap[space].lockedPageCount == PageCount(2))
      spaces.release(space)
    }
  }

  @Test func `ranges that overflow, and pages that cannot be read, are Linux's errors`() throws {
    try withMemory(frameCount: 512) { environment in
      let spaces = environment.spaces
      let space = try spaces.makeSpace()
      try map(environment, space, pages: 2, [])
      let all = ByteCount(.max)
      // So many bytes are no page at all.
      try spaces.lock(space, from: VirtualAddress(0), byteCount: all, .present)
      try spaces.unlock(space, from: VirtualAddress(0), byteCount: all)
      try spaces.lock(space, from: base, byteCount: .zero, .present)
      #expect(throws: MemoryError.invalidArgument) {
        try spaces.lock(space, from: base, byteCount: ByteCount(0 &- 8192), .present)
      }
      #expect(throws: MemoryError.invalidArgument) {
        try spaces.lock(
          space, from: VirtualAddress(0 &- size), byteCount: ByteCount(size), .present)
      }
      #expect(throws: MemoryError.outOfMemory) {
        try spaces.lock(space, from: base, byteCount: ByteCount(2 * size), .present)
      }
      #expect(environment.heap[space].lockedPageCount == PageCount(2))
      let file = try spaces.makeFile(byteCount: size, owner: 1, backing: .disk)
      try map(environment, space, pages: 4, .read, source: .file(file, pageIndex: 0))
      #expect(environment.heap[space].lockedPageCount == .zero)
      #expect(throws: MemoryError.outOfMemory) {
        try spaces.lock(space, from: base, byteCount: ByteCount(4 * size), .present)
      }
      #expect((0..<4).filter { isLocked(environment, space, $0) } == [0])
      spaces.release(space)
      spaces.release(file)
    }
  }

  @Test func `no frame for a page is to be tried again`() throws {
    try withMemory(frameCount: 300) { environment in
      let spaces = environment.spaces
      let space = try spaces.makeSpace()
      try map(environment, space, pages: 600, .readWrite, .noReserve)
      #expect(throws: MemoryError.again) {
        try spaces.lock(space, from: base, byteCount: ByteCount(600 * size), .present)
      }
      #expect(environment.heap[space].lockedPageCount == PageCount(600))
      #expect(environment.memory.value.locked.anonymous > PageCount(100))
      try environment.checkInvariants([space])
      spaces.release(space)
      try environment.checkInvariants([])
    }
  }

  @Test func `a page that two lock is locked until the second lets go`() throws {
    try withMemory(frameCount: 512) { environment in
      let spaces = environment.spaces
      let file = try spaces.makeFile(byteCount: 4 * size, owner: 1, backing: .disk)
      let all = [try spaces.makeSpace(), try spaces.makeSpace()]
      for space in all {
        try map(environment, space, pages: 4, .read, .shared, source: .file(file, pageIndex: 0))
        try spaces.lock(space, from: base, byteCount: ByteCount(4 * size), .present)
      }
      let frame = try #require(self.frame(environment, all[0], 1))
      #expect(environment.frames.table[frame].lockCount == 2)
      #expect(environment.memory.value.locked.file == PageCount(4))
      #expect(environment.memory.value.evictableFilePageCount == .zero)
      try environment.checkInvariants(all)
      try spaces.unlock(all[0], from: base, byteCount: ByteCount(4 * size))
      #expect(environment.frames.table[frame].lockCount == 1)
      #expect(spaces.oldestFilePage == nil)
      try spaces.unmap(all[1], from: place(1), byteCount: ByteCount(size))
      #expect(environment.frames.table[frame].lockCount == 0)
      #expect(spaces.oldestFilePage == frame)
      try environment.checkInvariants(all)
      for space in all { spaces.release(space) }
      #expect(environment.memory.value.evictableFilePageCount == PageCount(4))
      spaces.release(file)
      try environment.checkInvariants([])
    }
  }

  @Test func `a child has no locks, and a copy is locked instead of the original`() throws {
    try withMemory(frameCount: 512) { environment in
      let spaces = environment.spaces
      let parent = try spaces.makeSpace()
      try map(environment, parent, pages: 2)
      try spaces.lockAll(parent, [.current, .future])
      let child = try spaces.duplicate(parent)
      #expect(environment.heap[child].lockedPageCount == .zero)
      let old = try #require(self.frame(environment, parent, 0))
      #expect(environment.frames.table[old].lockCount == 1)
      try spaces.store(UInt8(3), at: base, in: parent)
      let copy = try #require(self.frame(environment, parent, 0))
      #expect(copy != old && environment.frames.table[copy].lockCount == 1)
      #expect(environment.frames.table[old].lockCount == 0)
      // The child's own future is its own.
      let other = try spaces.map(
        child, MapRequest(.anywhere, byteCount: ByteCount(size), protection: .readWrite))
      #expect(environment.tables.translate(environment.heap[child].root, other) == nil)
      try environment.checkInvariants([parent, child])
      spaces.release(parent)
      #expect(environment.memory.value.locked.total == .zero)
      spaces.release(child)
    }
  }

  @Test func `private pages of a locked area that may be written are the program's own`() throws {
    try withMemory(frameCount: 512) { environment in
      let spaces = environment.spaces
      let space = try spaces.makeSpace()
      let file = try spaces.makeFile(byteCount: 4 * size, owner: 1, backing: .disk)
      try map(environment, space, pages: 2, .read, source: .file(file, pageIndex: 0))
      try spaces.lock(space, from: base, byteCount: ByteCount(2 * size), .present)
      #expect(environment.memory.value.locked.file == PageCount(2))
      try spaces.protect(space, from: base, byteCount: ByteCount(2 * size), .readWrite)
      #expect(environment.memory.value.locked.file == .zero)
      #expect(environment.memory.value.locked.anonymous == PageCount(2))
      #expect(environment.heap[space].fileCount == .zero)
      try environment.checkInvariants([space])
      spaces.release(space)
      spaces.release(file)
    }
  }

  @Test func `a lock moves with its pages, and what a mapping grows by is locked`() throws {
    try withMemory(frameCount: 512) { environment in
      let spaces = environment.spaces
      let space = try spaces.makeSpace()
      environment.heap[space].mapCeiling = VirtualAddress(0x4000_0000)
      try map(environment, space, pages: 2)
      try spaces.lock(space, from: base, byteCount: ByteCount(2 * size), .present)
      var start = try spaces.remap(
        space, from: base, byteCount: ByteCount(2 * size), to: ByteCount(5 * size), .inPlace)
      #expect(environment.memory.value.locked.anonymous == PageCount(5))
      let target = VirtualAddress(0x80_0000)
      start = try spaces.remap(
        space, from: start, byteCount: ByteCount(5 * size), to: ByteCount(6 * size),
        .fixed(target))
      #expect(start == target && environment.memory.value.locked.anonymous == PageCount(6))
      #expect(environment.heap[space].lockedPageCount == PageCount(6))
      try environment.checkInvariants([space])
      _ = try spaces.remap(
        space, from: start, byteCount: ByteCount(6 * size), to: ByteCount(size), .inPlace)
      #expect(environment.heap[space].lockedPageCount == PageCount(1))
      #expect(environment.memory.value.locked.anonymous == PageCount(1))
      try environment.checkInvariants([space])
      spaces.release(space)
      #expect(environment.memory.value.locked.total == .zero)
    }
  }

  @Test func `advice to give up pages is refused where they are locked, but for its own kind`()
    throws
  {
    try withMemory(frameCount: 512) { environment in
      let spaces = environment.spaces
      let space = try spaces.makeSpace()
      try map(environment, space, pages: 4)
      try spaces.lock(space, from: base, byteCount: ByteCount(4 * size), .present)
      let refused: [MemoryAdvice] = [.discard, .discardLater, .deactivate, .punchHole]
      for advice in refused {
        #expect(throws: MemoryError.invalidArgument) {
          try spaces.advise(space, from: base, byteCount: ByteCount(size), advice)
        }
      }
      try spaces.advise(space, from: base, byteCount: ByteCount(3 * size), .discardLocked)
      #expect(environment.heap[space].anonymousCount == PageCount(1))
      #expect(environment.memory.value.locked.anonymous == PageCount(1))
      #expect(environment.heap[space].lockedPageCount == PageCount(4))
      try environment.checkInvariants([space])
      try spaces.unlock(space, from: base, byteCount: ByteCount(4 * size))
      for advice in [MemoryAdvice.discard, .discardLater, .deactivate] {
        try spaces.advise(space, from: base, byteCount: ByteCount(size), advice)
      }
      spaces.release(space)
    }
  }

  @Test func `a hole is punched into a file in memory for all who map it`() throws {
    try withMemory(frameCount: 512) { environment in
      let spaces = environment.spaces
      let all = [try spaces.makeSpace(), try spaces.makeSpace()]
      let file = try spaces.makeFile(byteCount: 4 * size, owner: 1, backing: .memory)
      for space in all {
        try map(
          environment, space, pages: 4, .readWrite, .shared, source: .file(file, pageIndex: 0))
        for page in 0..<4 { try spaces.store(UInt8(9), at: place(page), in: space) }
      }
      try spaces.lock(all[1], from: base, byteCount: ByteCount(4 * size), .present)
      #expect(environment.memory.value.locked.shared == PageCount(4))
      try spaces.advise(all[0], from: place(1), byteCount: ByteCount(2 * size), .punchHole)
      #expect(environment.memory.value.locked.shared == PageCount(2))
      #expect(environment.memory.value.sharedPageCount == PageCount(2))
      try environment.checkInvariants(all)
      #expect(try spaces.load(UInt8.self, at: place(1), in: all[1]) == 0)
      #expect(try spaces.load(UInt8.self, at: place(3), in: all[1]) == 9)
      #expect(environment.memory.value.locked.shared == PageCount(3))
      spaces.release(all[1])
      try map(environment, all[0], pages: 4, .read, source: .file(file, pageIndex: 0))
      #expect(throws: MemoryError.accessDenied) {
        try spaces.advise(all[0], from: base, byteCount: ByteCount(size), .punchHole)
      }
      spaces.release(all[0])
      spaces.release(file)
      try environment.checkInvariants([])
    }
  }

  @Test func `a file that is cut takes its pages from who locked them`() throws {
    try withMemory(frameCount: 512) { environment in
      let spaces = environment.spaces
      let all = [try spaces.makeSpace(), try spaces.makeSpace()]
      let file = try spaces.makeFile(byteCount: 8 * size, owner: 1, backing: .disk)
      try map(environment, all[0], pages: 8, .read, .shared, source: .file(file, pageIndex: 0))
      try map(environment, all[1], pages: 8, source: .file(file, pageIndex: 0))
      for space in all {
        try spaces.lock(space, from: base, byteCount: ByteCount(8 * size), .present)
      }
      #expect(environment.memory.value.locked.file == PageCount(8))
      #expect(environment.memory.value.locked.anonymous == PageCount(8))
      spaces.truncate(file, to: 3 * size)
      #expect(environment.memory.value.locked.file == PageCount(3))
      #expect(environment.memory.value.locked.anonymous == PageCount(3))
      try environment.checkInvariants(all)
      for space in all { spaces.release(space) }
      spaces.release(file)
      try environment.checkInvariants([])
    }
  }

  @Test func `a locked page that is moved stays locked as often`() throws {
    try withMemory(frameCount: 512) { environment in
      let spaces = environment.spaces
      let file = try spaces.makeFile(byteCount: 4 * size, owner: 1, backing: .disk)
      let all = [try spaces.makeSpace(), try spaces.makeSpace()]
      for space in all {
        try map(environment, space, pages: 4, .read, .shared, source: .file(file, pageIndex: 0))
        try spaces.lock(space, from: base, byteCount: ByteCount(2 * size), .present)
        _ = try spaces.load(UInt8.self, at: place(3), in: space)
      }
      for page in [0, 3] {
        let old = try #require(self.frame(environment, all[0], page))
        let target = try spaces.migrate(old)
        #expect(frame(environment, all[1], page) == target)
        #expect(environment.frames.table[target].lockCount == (page == 0 ? 2 : 0))
        try environment.checkInvariants(all)
      }
      for space in all { spaces.release(space) }
      spaces.release(file)
      try environment.checkInvariants([])
    }
  }

  @Test func `reclaim takes every file page but the locked ones, and does not look at those`()
    throws
  {
    try withMemory(frameCount: 512) { environment in
      let spaces = environment.spaces
      let space = try spaces.makeSpace()
      let file = try spaces.makeFile(byteCount: 120 * size, owner: 1, backing: .disk)
      try map(environment, space, pages: 100, .read, .shared, source: .file(file, pageIndex: 20))
      for page in 0..<100 { _ = try spaces.load(UInt8.self, at: place(page), in: space) }
      try spaces.lock(space, from: place(10), byteCount: ByteCount(30 * size), .present)
      let shortfall = Shortfall(order: .zero, zoneLimit: .normal, kind: .slab)
      while case .progress = environment.relieve(shortfall) {}
      #expect((10..<40).allSatisfy { isLocked(environment, space, $0) })
      // 32 pages are kept for whoever runs, beside those that nobody could take.
      #expect(environment.memory.value.evictableFilePageCount == PageCount(32))
      try environment.checkInvariants([space])
      let scanned = environment.memory.value.scannedCount
      for page in 0..<100 where page < 10 || page >= 40 {
        let isThere = frame(environment, space, page) != nil
        if isThere {
          try spaces.lock(space, from: place(page), byteCount: ByteCount(size), .onFault)
        }
      }
      #expect(spaces.oldestFilePage == nil)
      #expect(environment.relieve(shortfall) == .none)
      #expect(environment.memory.value.scannedCount == scanned)
      spaces.release(space)
      spaces.release(file)
      try environment.checkInvariants([])
    }
  }

  @Test func `pages that are taken from the dying are unlocked`() throws {
    try withMemory(frameCount: 512) { environment in
      let spaces = environment.spaces
      let space = try spaces.makeSpace()
      try map(environment, space, pages: 8, .readWrite, .locked)
      #expect(environment.memory.value.locked.anonymous == PageCount(8))
      spaces.reap(space)
      #expect(environment.memory.value.locked.total == .zero)
      try environment.checkInvariants([space])
      spaces.release(space)
    }
  }

  @Test func `a device's buffer stays anyway, so it is neither locked nor given up`() throws {
    try withMemory(frameCount: 512) { environment in
      let spaces = environment.spaces
      let space = try spaces.makeSpace()
      let buffer = try spaces.makeBuffer(of: PageCount(4))
      try map(
        environment, space, pages: 4, .readWrite, .shared, source: .file(buffer, pageIndex: 0))
      try spaces.lock(space, from: base, byteCount: ByteCount(4 * size), .present)
      try spaces.lockAll(space, .current)
      #expect(environment.heap[space].lockedPageCount == .zero)
      #expect(environment.heap[space].residentCount == .zero)
      for advice in [MemoryAdvice.discard, .discardLocked, .deactivate] {
        #expect(throws: MemoryError.invalidArgument) {
          try spaces.advise(space, from: base, byteCount: ByteCount(size), advice)
        }
      }
      try environment.checkInvariants([space])
      spaces.release(space)
      spaces.release(buffer)
    }
  }
}
