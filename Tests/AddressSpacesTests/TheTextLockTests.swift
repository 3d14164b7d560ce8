// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import MemoryUnits
import PageFrames
import PageTableFormats
import Testing

/// The text's section on mlock and mlockall.
///
/// `Documentation/TheText/Locking.md` has the marked lines.
@Suite struct TheTextLockTests {
  private func run(
    _ body: (TestEnvironment, Reference<AddressSpace>, VirtualAddress, ByteCount) throws -> Void
  ) throws {
    try withMemory(frameCount: 512) { environment in
      let space = try environment.spaces.makeSpace()
      environment.heap[space].mapCeiling = VirtualAddress(0x4000_0000)
      let byteCount = ByteCount(64 << 10)
      let address = try environment.spaces.map(
        space, MapRequest(.anywhere, byteCount: byteCount, protection: .readWrite))
      try body(environment, space, address, byteCount)
      environment.spaces.release(space)
      try environment.checkInvariants([])
    }
  }

  @Test func `mlock keeps a range in memory until munlock`() throws {
    try run { environment, space, address, byteCount in
      let spaces = environment.spaces

      try spaces.lock(space, from: address, byteCount: byteCount, .present)
      let locked = environment.memory.value.locked.total
      try spaces.unlock(space, from: address, byteCount: byteCount)

      #expect(locked == PageCount(16))
      #expect(environment.memory.value.locked.total == .zero)
    }
  }

  @Test func `mlockall keeps all there is and all to come in memory until munlockall`() throws {
    try run { environment, space, _, byteCount in
      let spaces = environment.spaces

      try spaces.lockAll(space, [.current, .future])
      _ = try spaces.map(
        space, MapRequest(.anywhere, byteCount: byteCount, protection: .readWrite))
      let locked = environment.memory.value.locked.total
      spaces.unlockAll(space)

      #expect(locked == PageCount(32))
      #expect(environment.memory.value.locked.total == .zero)
    }
  }
}
