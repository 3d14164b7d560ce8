// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import MemoryUnits
import PageFrames
import PageTableFormats
import Testing

private let base = VirtualAddress(0x10_0000)
private let size = UInt64(4096)

/// How much may be locked, and what is locked as it comes.
@Suite struct LockLimitTests {
  private func run(
    limit: Int, _ body: (TestEnvironment, Reference<AddressSpace>) throws -> Void
  ) throws {
    try withMemory(frameCount: 512) { environment in
      let environment = environment.limited(toLocked: limit)
      let space = try environment.spaces.makeSpace()
      environment.heap[space].mapCeiling = VirtualAddress(0x4000_0000)
      try body(environment, space)
      try environment.checkInvariants([space])
      environment.spaces.release(space)
      try environment.checkInvariants([])
    }
  }

  private func request(
    _ pages: Int, _ attributes: AreaAttributes = [], _ placement: MapRequest.Placement = .anywhere
  ) -> MapRequest {
    MapRequest(
      placement, byteCount: PageCount(pages).bytes, protection: .readWrite,
      attributes: attributes)
  }

  private func below(_ address: VirtualAddress, _ pages: UInt64) -> VirtualAddress {
    VirtualAddress(address.value - pages * size)
  }

  @Test func `without the right to lock nothing is locked, not even nothing`() throws {
    try run(limit: 0) { environment, space in
      let spaces = environment.spaces
      #expect(throws: MemoryError.notPermitted) {
        try spaces.lock(space, from: base, byteCount: .zero, .present)
      }
      #expect(throws: MemoryError.notPermitted) { try spaces.lockAll(space, .future) }
      #expect(throws: MemoryError.invalidArgument) { try spaces.lockAll(space, .onFault) }
      #expect(throws: MemoryError.notPermitted) { _ = try spaces.map(space, request(1, .locked)) }
      _ = try spaces.map(space, request(1, [], .fixed(base)))
      try spaces.unlock(space, from: base, byteCount: ByteCount(size))
      spaces.unlockAll(space)
    }
  }

  @Test func `what is locked already does not count twice against the limit`() throws {
    try run(limit: 4) { environment, space in
      let spaces = environment.spaces
      _ = try spaces.map(space, request(8, [], .fixed(base)))
      #expect(throws: MemoryError.outOfMemory) {
        try spaces.lock(space, from: base, byteCount: ByteCount(5 * size), .present)
      }
      #expect(environment.heap[space].lockedPageCount == .zero)
      try spaces.lock(space, from: base, byteCount: ByteCount(3 * size), .present)
      let second = base + ByteCount(size)
      try spaces.lock(space, from: second, byteCount: ByteCount(3 * size), .present)
      #expect(environment.heap[space].lockedPageCount == PageCount(4))
      #expect(throws: MemoryError.outOfMemory) {
        try spaces.lock(space, from: second, byteCount: ByteCount(4 * size), .present)
      }
    }
  }

  @Test func `a locked mapping beyond the limit is to be tried again`() throws {
    try run(limit: 4) { environment, space in
      let spaces = environment.spaces
      _ = try spaces.map(space, request(3, .locked, .fixed(base)))
      #expect(environment.memory.value.locked.anonymous == PageCount(3))
      #expect(throws: MemoryError.again) { _ = try spaces.map(space, request(2, .locked)) }
      // The old mapping counts until it is gone.
      #expect(throws: MemoryError.again) {
        _ = try spaces.map(space, request(2, .locked, .fixed(base)))
      }
      #expect(throws: MemoryError.again) {
        _ = try spaces.remap(
          space, from: base, byteCount: ByteCount(3 * size), to: ByteCount(5 * size), .movable)
      }
      #expect(throws: MemoryError.again) {
        _ = try spaces.remap(
          space, from: base, byteCount: ByteCount(3 * size), to: ByteCount(5 * size),
          .fixed(VirtualAddress(0x80_0000)))
      }
      _ = try spaces.remap(
        space, from: base, byteCount: ByteCount(3 * size), to: ByteCount(4 * size), .movable)
      #expect(environment.heap[space].lockedPageCount == PageCount(4))
      try spaces.unmap(space, from: base, byteCount: ByteCount(2 * size))
      _ = try spaces.map(space, request(2, .locked))
    }
  }

  @Test func `all of a space is locked if it is small enough, or all that comes`() throws {
    try run(limit: 6) { environment, space in
      let spaces = environment.spaces
      _ = try spaces.map(space, request(7, [], .fixed(base)))
      for choice in [LockChoice(rawValue: 0), .onFault, LockChoice(rawValue: 9)] {
        #expect(throws: MemoryError.invalidArgument) { try spaces.lockAll(space, choice) }
      }
      #expect(throws: MemoryError.outOfMemory) { try spaces.lockAll(space, [.current, .future]) }
      try spaces.unmap(space, from: base, byteCount: ByteCount(4 * size))
      try spaces.lockAll(space, .current)
      #expect(environment.memory.value.locked.anonymous == PageCount(3))
      // Each call says anew what becomes of the areas to come.
      _ = try spaces.map(space, request(1))
      #expect(environment.heap[space].lockedPageCount == PageCount(3))
      try spaces.lockAll(space, [.future, .onFault])
      let next = try spaces.map(space, request(2))
      #expect(environment.heap[space].lockedPageCount == PageCount(5))
      #expect(environment.memory.value.locked.anonymous == PageCount(3))
      try spaces.store(UInt8(1), at: next, in: space)
      #expect(environment.memory.value.locked.anonymous == PageCount(4))
      #expect(throws: MemoryError.again) { _ = try spaces.map(space, request(2)) }
      spaces.unlockAll(space)
      #expect(environment.heap[space].lockedPageCount == .zero)
      _ = try spaces.map(space, request(20))
      #expect(environment.memory.value.locked.total == .zero)
    }
  }

  @Test func `an area with a page that cannot come does not keep the others from it`() throws {
    try run(limit: 100) { environment, space in
      let spaces = environment.spaces
      let file = try spaces.makeFile(byteCount: size, owner: 1, backing: .disk)
      defer { spaces.release(file) }
      var beyond = request(3, [], .fixed(base))
      beyond.source = .file(file, pageIndex: 0)
      _ = try spaces.map(space, beyond)
      _ = try spaces.map(space, request(2, [], .fixed(base + ByteCount(16 * size))))
      try spaces.lockAll(space, .current)
      #expect(environment.memory.value.locked.anonymous == PageCount(3))
    }
  }

  @Test func `the heap grows locked, and not beyond the limit`() throws {
    try run(limit: 4) { environment, space in
      let spaces = environment.spaces
      spaces.beginHeap(of: space, at: base)
      try spaces.lockAll(space, .future)
      let third = base + ByteCount(3 * size)
      #expect(spaces.setBreak(space, to: third) == third)
      #expect(environment.memory.value.locked.anonymous == PageCount(3))
      #expect(spaces.setBreak(space, to: base + ByteCount(5 * size)) == third)
      #expect(environment.heap[space].lockedPageCount == PageCount(3))
      #expect(spaces.setBreak(space, to: base) == base)
      #expect(environment.heap[space].lockedPageCount == .zero)
    }
  }

  @Test func `a locked stack grows by the page that was touched, within the limit`() throws {
    try run(limit: 6) { environment, space in
      let spaces = environment.spaces
      let top = VirtualAddress(0x1000_0000)
      _ = try spaces.map(
        space, request(2, .growsDown.union(.locked), .fixed(below(top, 2))))
      _ = try spaces.store(UInt8(1), at: below(top, 5), in: space)
      #expect(environment.heap[space].lockedPageCount == PageCount(5))
      #expect(environment.memory.value.locked.anonymous == PageCount(3))
      #expect(throws: MemoryError.badAddress) {
        try spaces.store(UInt8(1), at: below(top, 7), in: space)
      }
      try spaces.store(UInt8(1), at: below(top, 6), in: space)
    }
  }
}
