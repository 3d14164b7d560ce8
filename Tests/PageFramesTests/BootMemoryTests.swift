// SPDX-License-Identifier: Apache-2.0

import MemoryUnits
import SimulatedMachine
import Testing

@testable import PageFrames

@Suite struct BootMemoryTests {
  private func bytes(_ value: UInt64) -> ByteCount { ByteCount(value) }
  private func at(_ value: UInt64) -> PhysicalAddress { PhysicalAddress(value) }

  @Test func `ranges that touch become one`() {
    var ranges = AddressRanges()
    for start in [UInt64(10), 30, 20] {
      let fits = ranges.insert(AddressRange(start: start, end: start + 10))
      #expect(fits)
    }
    #expect(ranges.count == 1)
    #expect(ranges[0] == AddressRange(start: 10, end: 40))
  }

  @Test func `any order of ranges gives the same set of bytes`() {
    var generator = SeededGenerator(seed: 7)
    for _ in 0..<300 {
      var ranges = AddressRanges()
      var model = Array(repeating: false, count: 130)
      for _ in 0..<12 {
        let start = generator.number(below: 100)
        let length = generator.number(below: 20)
        _ = ranges.insert(AddressRange(start: UInt64(start), end: UInt64(start + length)))
        for index in start..<start + length { model[index] = true }
      }
      var seen = Array(repeating: false, count: 130)
      for index in 0..<ranges.count {
        for byte in ranges[index].start..<ranges[index].end { seen[Int(byte)] = true }
        if index > 0 { #expect(ranges[index - 1].end < ranges[index].start) }
      }
      #expect(seen == model)
    }
  }

  @Test func `one range too many is refused and changes nothing`() {
    var ranges = AddressRanges()
    for index in 0..<64 {
      let fits = ranges.insert(AddressRange(start: UInt64(index * 2), end: UInt64(index * 2 + 1)))
      #expect(fits)
    }
    let another = ranges.insert(AddressRange(start: 1000, end: 1001))
    #expect(!another)
    #expect(ranges.count == 64)
    let bridge = ranges.insert(AddressRange(start: 1, end: 2))
    #expect(bridge)
    #expect(ranges.count == 63)
  }

  @Test func `tables come from the top of memory below the limit, aligned`() throws {
    var memory = BootMemory(limit: at(0x80_000))
    memory.add(from: at(0), bytes(0x100_000))
    let first = try memory.allocate(bytes(100))
    let page = try memory.allocate(bytes(4096), alignment: bytes(4096))
    let line = try memory.allocate(bytes(64))
    #expect(first == at(0x80_000 - 128))
    #expect(page == at(0x7E_000))
    #expect(line == at(0x7E_000 - 64))
  }

  @Test func `tables avoid what is reserved, before or after it became RAM`() throws {
    var memory = BootMemory(limit: at(0x100_000))
    memory.reserve(from: at(0x8000), bytes(0x8000))
    memory.add(from: at(0), bytes(0x10_000))
    memory.reserve(from: at(0x4000), bytes(0x1000))
    let upper = try memory.allocate(bytes(0x3000))
    let lower = try memory.allocate(bytes(0x2000))
    #expect(upper == at(0x5000))
    #expect(lower == at(0x2000))
    #expect(throws: AllocationError.outOfMemory) { _ = try memory.allocate(bytes(0x2000)) }
  }

  @Test func `the free runs are the whole frames that nobody took`() {
    var memory = BootMemory(limit: at(0x100_000))
    memory.add(from: at(0), bytes(0xA800))
    memory.add(from: at(0x10_800), bytes(0x3000))
    memory.reserve(from: at(0x5800), bytes(0x10))
    var runs: [ClosedRange<UInt32>] = []
    var cursor = PageFrameNumber(0)
    while let run = memory.nextFreeRun(from: cursor) {
      runs.append(run.first.value...run.end.value)
      cursor = run.end
    }
    #expect(runs == [1...5, 6...10, 0x11...0x13])
    #expect(memory.endFrame.value == 0x13)
    #expect(
      memory.presentPageCount(from: PageFrameNumber(0), to: PageFrameNumber(100)).value == 12)
  }

  @Test func `what boot tables took is not handed over`() throws {
    let machine = try FrameMachine(frameCount: 512, reserved: [100..<120])
    let table = machine.frames.tableAddress.frame
    #expect(machine.frames.table[table].kind == .reserved)
    #expect((100..<120).allSatisfy { machine.frames.table[PageFrameNumber($0)].kind == .reserved })
    #expect(machine.frames.table[PageFrameNumber(0)].kind == .reserved)
    #expect(machine.frames.managedPageCount.value == machine.machine.replay.managedFrameCount)
    #expect(machine.free == machine.frames.managedPageCount.value)
    try machine.frames.checkInvariants()
    #expect(machine.firstDifferenceFromEvents() == nil)
  }

  @Test func `a machine that cannot hold its own tables is an error`() {
    #expect(throws: AllocationError.outOfMemory) { _ = try FrameMachine(frameCount: 1) }
  }

  @Test func `metadata stays below one percent`() throws {
    let machine = try FrameMachine(frameCount: 16_384)
    let metadata = 16_384 - machine.frames.managedPageCount.value
    #expect(metadata * 100 < 16_384, "\(metadata) frames")
  }
}
