// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import MemoryUnits
import PageFrames
import PageTableFormats
import Testing

/// When areas become several and one again, as /proc/PID/maps shows it on Linux.
struct MergeTests {
  private let base = VirtualAddress(0x10_0000)

  private func address(_ page: Int) -> VirtualAddress { base + PageCount(page).bytes }

  private func map(
    _ environment: TestEnvironment, _ space: Reference<AddressSpace>, _ page: Int, count: Int,
    _ protection: Protection
  ) throws {
    _ = try environment.spaces.map(
      space,
      MapRequest(
        .fixed(address(page)), byteCount: PageCount(count).bytes, protection: protection))
  }

  @Test(arguments: [[], [0], [4], [7], [0, 4], [4, 7], [0, 4, 7]])
  func `rights that are taken from the middle and given back leave one area`(
    touched: [Int]
  ) throws {
    try withMemory(frameCount: 512) { environment in
      let spaces = environment.spaces
      let space = try spaces.makeSpace()
      let writable = Protection.read.union(.write)
      try map(environment, space, 0, count: 8, writable)
      for page in touched { try spaces.store(UInt8(1), at: address(page), in: space) }
      for rights in [Protection.read, writable, Protection(), writable] {
        try spaces.protect(
          space, from: address(3), byteCount: PageCount(2).bytes, rights)
        #expect(environment.heap[space].areaCount == (rights == writable ? 1 : 3))
        try environment.checkInvariants([space])
      }
      for page in touched {
        #expect(try spaces.load(UInt8.self, at: address(page), in: space) == 1)
      }
      spaces.release(space)
    }
  }

  @Test(arguments: [[], [0], [3], [5], [0, 5]])
  func `what is mapped between two areas that are alike joins all three`(touched: [Int]) throws {
    try withMemory(frameCount: 512) { environment in
      let spaces = environment.spaces
      let space = try spaces.makeSpace()
      let writable = Protection.read.union(.write)
      try map(environment, space, 0, count: 2, writable)
      try map(environment, space, 4, count: 2, writable)
      for page in touched where page != 3 {
        try spaces.store(UInt8(1), at: address(page), in: space)
      }
      try map(environment, space, 2, count: 2, .read)
      #expect(environment.heap[space].areaCount == 3)
      try spaces.protect(space, from: address(2), byteCount: PageCount(2).bytes, writable)
      // Two regions cannot become one: pages of both may be there.
      #expect(environment.heap[space].areaCount == (touched == [0, 5] ? 2 : 1))
      try environment.checkInvariants([space])
      spaces.release(space)
    }
  }
}
