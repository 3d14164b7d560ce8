// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import Compaction
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames

// Two devices that both write one buffer.

extension SelfTests {
  /// The pages of each disk that take part.
  private static var pageCount: Int { 8 }

  func testSharedBuffer(_ checks: inout SelfTestChecks) throws(AllocationError) {
    // A machine need not have a second one.
    guard environment.byteCount(ofDisk: 1) >= PageCount(Self.pageCount).bytes else {
      return checks.note("no second disk")
    }
    // What each disk holds, read into memory of its own.
    let order = Order(3)
    let alone = try frames.allocate(FrameRequest(order: Order(4), kind: .dma)).surrender()
    defer { frames.free(.adopt(alone, Order(4))) }
    fill(alone, Order(4))
    for disk in 0..<2 {
      read(disk, block: 0, Self.pageCount, into: alone + PageCount(disk * Self.pageCount))
    }
    finish()
    let copies = FrameRange(first: alone, count: PageCount(2 * Self.pageCount))
    checks.check(
      !isSame(alone, alone + order.pageCount), "the two disks hold different things")
    if frames.contiguousAreaCount > 0 {
      checkInArea(copies, &checks)
    } else {
      let buffer = try frames.allocate(FrameRequest(order: Order(4), kind: .dma)).surrender()
      checkBuffer(buffer, copies, &checks)
      frames.free(.adopt(buffer, Order(4)))
    }
  }

  private func checkInArea(_ copies: FrameRange, _ checks: inout SelfTestChecks) {
    let contiguous = ContiguousMemory(environment)
    do throws(ContiguousFailure) {
      let buffer = try contiguous.allocate(
        PageCount(2 * Self.pageCount), kind: .dma, fromArea: 0)
      checkBuffer(buffer.range.first, copies, &checks)
      contiguous.free(buffer, toArea: 0)
    } catch {
      checks.check(false, "an area gives a buffer")
    }
  }

  private func checkBuffer(
    _ buffer: PageFrameNumber, _ copies: FrameRange, _ checks: inout SelfTestChecks
  ) {
    let count = Self.pageCount
    fill(buffer, Order(4))
    // Page by page in turn, all of them under way at once.
    for page in 0..<count {
      read(0, block: page, 1, into: buffer + PageCount(2 * page))
      read(1, block: page, 1, into: buffer + PageCount(2 * page + 1))
    }
    finish()
    for page in 0..<count {
      let place = buffer + PageCount(2 * page)
      checks.check(
        isSame(place, copies.first + PageCount(page)), "what the first disk wrote is there")
      checks.check(
        isSame(place + PageCount(1), copies.first + PageCount(count + page)),
        "and beside it what the second wrote")
    }
    // Each a half, in one transfer.
    fill(buffer, Order(4))
    read(1, block: 0, count, into: buffer)
    read(0, block: 0, count, into: buffer + PageCount(count))
    finish()
    for page in 0..<count {
      checks.check(
        isSame(buffer + PageCount(page), copies.first + PageCount(count + page))
          && isSame(buffer + PageCount(count + page), copies.first + PageCount(page)),
        "each writes the half that it was given")
    }
    // One after the other to the same place.
    read(0, block: 0, 1, into: buffer)
    finish()
    checks.check(isSame(buffer, copies.first), "what one disk wrote the other writes over")
    checks.check(
      isSame(buffer + PageCount(1), copies.first + PageCount(count + 1)),
      "and nothing beside it")
  }

  private func read(_ disk: Int, block: Int, _ count: Int, into first: PageFrameNumber) {
    environment.startReading(disk: disk, block: UInt32(block), pageCount: count, into: first)
  }

  private func finish() { while environment.awaitTransfer() {} }

  private func isSame(_ one: PageFrameNumber, _ other: PageFrameNumber) -> Bool {
    frames.machine.directMap.frame(one).holds(
      bytesOf: frames.machine.directMap.frame(other), at: 0, at: 0,
      byteCount: Int(PageSize.base.bytes))
  }
}
