// SPDX-License-Identifier: Apache-2.0

import MemoryEvents
import MemoryUnits
import SimulatedMachine
import Testing

@testable import PageFrames

/// `page_poison=` and `debug_guardpage=`: writes to what nobody may write to are found.
@Suite struct FramePatternTests {
  private func machine(_ violations: SimulationOptions.ViolationResponse = .collect) throws
    -> FrameMachine
  {
    try FrameMachine(
      frameCount: 1024, initialContent: .garbage, minimumFreeKibibytes: 64, violations: violations)
  }

  private func write(
    _ byte: UInt8, to frame: PageFrameNumber, at offset: Int, _ test: FrameMachine
  ) {
    test.machine.withBytes(of: frame) { $0.store(byte, at: offset) }
  }

  @Test func `a write to a free frame is found when it is given again, or at a look`() throws {
    let test = try machine()
    test.frames.poisonFreeFrames()
    #expect(test.frames.checkPatterns() == 0)
    let frame = try test.frames.allocate(FrameRequest(order: Order(2))).surrender()
    test.frames.free(.adopt(frame, Order(2)))
    let victim = frame + PageCount(2)
    write(0xAB, to: victim, at: 1234, test)
    #expect(test.frames.checkPatterns() == 1)
    // Given to somebody, it is reported again, once; then it is theirs.
    let taken = test.exhaust(FrameRequest(urgency: .reserve))
    #expect(test.frames.faultCount == 2)
    let fault = try #require(test.frames.lastFault)
    #expect(fault.kind == .writtenWhileFree && fault.frame == victim && fault.offset == 1234)
    #expect(fault.word == 0xAAAA_AAAA_AAAB_AAAA)
    test.free(taken)
    #expect(test.frames.checkPatterns() == 0)
    try test.frames.checkInvariants()
    #expect(test.firstDifferenceFromEvents() == nil)
  }

  @Test func `what is allocated zeroed is zero, and what is not shows the pattern`() throws {
    let test = try machine(.trap)
    test.frames.poisonFreeFrames()
    let block = try test.frames.allocate(FrameRequest(content: .zeroed))
    #expect(test.machine.withBytes(of: block.first) { $0.load(UInt64.self, at: 8) } == 0)
    test.frames.free(block)
    let other = try test.frames.allocate(FrameRequest())
    let word = test.machine.withBytes(of: other.first) { $0.load(UInt64.self, at: 4088) }
    #expect(word == 0xAAAA_AAAA_AAAA_AAAA)
    test.frames.free(other)
  }

  @Test(arguments: [(0, 1), (0, 3), (1, 2), (2, 3)])
  func `a write beyond a block is found when the block is freed`(order: Int, below: Int) throws {
    let test = try machine()
    let before = test.free
    test.frames.guardBlocks(below: Order(UInt8(below)))
    let size = Order(UInt8(order))
    let block = try test.frames.allocate(FrameRequest(order: size)).surrender()
    #expect(block.isAligned(to: Order(UInt8(below))))
    // The guards are nobody's: not free to others, and in the log not allocated.
    #expect(test.free == before - 1 << below)
    try test.frames.checkInvariants()
    #expect(test.firstDifferenceFromEvents() == nil)
    #expect(test.frames.checkPatterns() == 0)

    let beyond = block + size.pageCount
    write(7, to: beyond, at: 0, test)
    #expect(test.frames.checkPatterns() == 1)
    test.frames.free(.adopt(block, size))
    #expect(test.frames.faultCount == 2)
    let fault = try #require(test.frames.lastFault)
    #expect(fault.kind == .guardWritten && fault.frame == beyond && fault.offset == 0)
    #expect(fault.word == 0xDBDB_DBDB_DBDB_DB07)
    #expect(test.free == before)
    try test.frames.checkInvariants()
  }

  @Test func `guards of a block that is cut are freed, and none is lost under load`() throws {
    let test = try machine(.trap)
    let before = test.free
    test.frames.poisonFreeFrames()
    test.frames.guardBlocks(below: Order(3))
    let range = try test.frames.allocate(exactly: PageCount(3), FrameRequest())
    #expect(test.free == before - 3)
    test.frames.free(range)
    var generator = SeededGenerator(seed: 5)
    var held: [(PageFrameNumber, Order)] = []
    for _ in 0..<3000 {
      if generator.oneIn(2) {
        let order = Order(UInt8(generator.number(below: 5)))
        if let block = try? test.frames.allocate(FrameRequest(order: order)) {
          held.append((block.surrender(), order))
        }
      } else if !held.isEmpty {
        let (frame, order) = held.remove(at: generator.number(below: held.count))
        test.frames.free(.adopt(frame, order))
      }
    }
    try test.frames.checkInvariants()
    #expect(test.frames.checkPatterns() == 0)
    test.frames.guardBlocks(below: .zero)
    for (frame, order) in held { test.frames.free(.adopt(frame, order)) }
    #expect(test.free == before && test.frames.faultCount == 0)
    try test.frames.checkInvariants()
    #expect(test.firstDifferenceFromEvents() == nil)
  }
}
