// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryEvents
import MemoryUnits
import PageFrames

// The page allocator.

extension SelfTests {
  func testBuddy(_ checks: inout SelfTestChecks) throws(AllocationError) {
    for value in 0..<UInt8(Order.count) {
      try checkBlock(of: Order(value), &checks)
    }
    try checkSplit(&checks)
    try checkZoneLimit(&checks)
    frames.inject(FailureInjection(interval: 1, times: 1))
    checks.check(fails(FrameRequest(), .injected), "an injected failure is one")
    frames.inject(.none)
    checks.check(!fails(FrameRequest(), .injected), "none comes after it")
  }

  private func checkBlock(
    of order: Order, _ checks: inout SelfTestChecks
  ) throws(AllocationError) {
    frames.drainCPULists()
    let before = frames.freePageCount
    let request = FrameRequest(order: order, content: .zeroed)
    let first = try frames.allocate(request).surrender()
    let free = frames.freePageCount + frames.cachedPageCount
    checks.check(free + order.pageCount == before, "a block's frames are no longer free")
    checks.check(
      Int(first.value) & (order.pageCount.value - 1) == 0,
      "a block begins at a multiple of its size")
    checks.check(
      frames.table[first].kind == .plain && frames.table[first].order == order,
      "a block's descriptor says what it is")
    checks.check(isZero(first, order), "zeroed memory is zero")
    fill(first, order)
    frames.free(.adopt(first, order))
    frames.drainCPULists()
    checks.check(frames.freePageCount == before, "a freed block is free")
  }

  private func checkSplit(_ checks: inout SelfTestChecks) throws(AllocationError) {
    let order = Order(4)
    let first = frames.split(try frames.allocate(FrameRequest(order: order)))
    checks.check(
      frames.table[first].order == .zero && frames.table[first].references == 1,
      "a split block is single frames")
    for index in 0..<order.pageCount.value { frames.free(.adopt(first + PageCount(index))) }
    frames.drainCPULists()
    let again = try frames.allocate(FrameRequest(order: order)).surrender()
    checks.check(again == first, "single frames that were freed become their block again")
    frames.free(.adopt(again, order))
  }

  private func checkZoneLimit(_ checks: inout SelfTestChecks) throws(AllocationError) {
    let frame = try frames.allocate(FrameRequest(kind: .dma, zoneLimit: .dma)).surrender()
    checks.check(frames.table[frame].zone == .dma, "a block lies in the zones that are asked for")
    checks.check(frame.address.value < 1 << 24, "the lowest zone is below 16 MiB")
    frames.free(.adopt(frame))
  }

  func testCPULists(_ checks: inout SelfTestChecks) throws(AllocationError) {
    frames.drainCPULists()
    checks.check(frames.cachedPageCount == .zero, "lists that were drained are empty")
    let first = try frames.allocate(FrameRequest()).surrender()
    frames.free(.adopt(first))
    let cached = frames.cachedPageCount
    checks.check(cached > .zero, "a freed frame stays with its CPU")
    let second = try frames.allocate(FrameRequest()).surrender()
    checks.check(second == first, "what was freed last is given first")
    checks.check(
      frames.cachedPageCount.value == cached.value - 1, "it comes from the CPU's list")
    frames.free(.adopt(second))
    try checkOverflow(&checks)
  }

  /// More frames than a list may hold go back to their zone.
  private func checkOverflow(_ checks: inout SelfTestChecks) throws(AllocationError) {
    var high = 0
    for index in 0..<ZoneKind.count {
      high += frames.statistics(of: ZoneKind(index: index)).cpuHigh
    }
    var last: UInt32 = 0
    let wanted = min(high * 2, frames.freePageCount.value / 4)
    for _ in 0..<wanted {
      let frame = try frames.allocate(FrameRequest()).surrender()
      frames.table[frame].privateWord = last
      last = frame.value
    }
    while last != 0 {
      let frame = PageFrameNumber(last)
      last = frames.table[frame].privateWord
      frames.free(.adopt(frame))
    }
    checks.check(frames.cachedPageCount.value <= high, "a CPU keeps no more than its mark")
  }

  // What several suites need

  /// Whether an allocation fails, and with this error; its frames go back otherwise.
  func fails(_ request: FrameRequest, _ expected: AllocationError) -> Bool {
    do throws(AllocationError) {
      frames.free(try frames.allocate(request))
      return false
    } catch {
      return error == expected
    }
  }

  /// Whether the first, the middle and the last word of each frame are 0.
  func isZero(_ first: PageFrameNumber, _ order: Order) -> Bool {
    for index in 0..<order.pageCount.value {
      let isZero = frames.machine.withBytes(of: first + PageCount(index)) { bytes in
        bytes.load(UInt64.self, at: 0) | bytes.load(UInt64.self, at: 2048)
          | bytes.load(UInt64.self, at: 4088) == 0
      }
      if !isZero { return false }
    }
    return true
  }

  /// Writes what nobody would find by chance into each frame.
  func fill(_ first: PageFrameNumber, _ order: Order) {
    for index in 0..<order.pageCount.value {
      frames.machine.withBytes(of: first + PageCount(index)) { bytes in
        bytes.store(0xA5A5_5A5A_0F0F_F0F0 as UInt64, at: 0)
        bytes.store(0xA5A5_5A5A_0F0F_F0F0 as UInt64, at: 2048)
        bytes.store(0xA5A5_5A5A_0F0F_F0F0 as UInt64, at: 4088)
      }
    }
  }
}
