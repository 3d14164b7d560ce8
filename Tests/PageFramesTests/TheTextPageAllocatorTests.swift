// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryUnits
import PageFrames
import Testing

/// The text's example of get_free_pages and free_pages.
///
/// `Documentation/TheText/PageAllocator.md` has the marked lines.
@Suite struct TheTextPageAllocatorTests {
  @Test func `contiguous pages are allocated, used and freed`() throws {
    let test = try FrameMachine(frameCount: 1024)
    let (machine, frames, order) = (test.machine, test.frames, Order(3))
    let before = test.free

    let block = try frames.allocate(FrameRequest(order: order))
    let bytes = machine.directMap.block(at: block.first.address, byteCount: block.pageCount.bytes)
    bytes.store(UInt64(42), at: bytes.byteCount - 8)
    frames.free(block)

    #expect(bytes.byteCount == 8 * 4096)
    #expect(test.free == before)
    try frames.checkInvariants()
  }

  @Test func `a failure is an error with a reason`() throws {
    let test = try FrameMachine(frameCount: 256)
    let taken = test.exhaust()
    let frames = test.frames

    #expect(throws: AllocationError.outOfMemory) {
      let block = try frames.allocate(FrameRequest(order: Order(3)))
      frames.free(block)
    }

    test.free(taken)
    try frames.checkInvariants()
  }
}
