// SPDX-License-Identifier: Apache-2.0

import MemoryEvents
import MemoryUnits
import SimulatedMachine
import Testing

@testable import PageFrames

/// Misuse is reported with the frame that it is about, refused, and harms nobody else.
@Suite struct FrameFaultTests {
  private func machine() throws -> FrameMachine {
    try FrameMachine(frameCount: 1024, violations: .collect)
  }

  /// Runs a misuse and checks that it changed nothing but the report.
  private func expect(
    _ kind: FrameFault.Kind, of frame: PageFrameNumber, on test: FrameMachine,
    word: UInt64 = 0, _ misuse: () throws -> Void
  ) throws {
    let (free, count) = (test.free, test.frames.faultCount)
    try misuse()
    #expect(test.frames.faultCount == count + 1)
    let fault = try #require(test.frames.lastFault)
    #expect(fault.kind == kind && fault.frame == frame && fault.word == word)
    #expect(test.free == free)
    let event = try #require(test.machine.events.last)
    #expect(FrameFault(event) == fault)
    try test.frames.checkInvariants()
    test.frames.free(try test.frames.allocate(FrameRequest()))
  }

  @Test func `a free of what is no RAM or was never allocated`() throws {
    let test = try machine()
    for frame in [PageFrameNumber(0), test.frames.tableAddress.frame, PageFrameNumber(5_000_000)] {
      try expect(.notOwned, of: frame, on: test) { test.frames.free(.adopt(frame)) }
      try expect(.notOwned, of: frame, on: test) { #expect(!test.frames.release(frame)) }
    }
    let free = try #require((1..<1024).map { PageFrameNumber($0) }.first { test.isFree($0) })
    try expect(.freedTwice, of: free, on: test) { test.frames.free(.adopt(free)) }
  }

  @Test func `a second free, alone and among many`() throws {
    let test = try machine()
    for order in [Order.zero, Order(2), Order(5)] {
      let frame = try test.frames.allocate(FrameRequest(order: order)).surrender()
      test.frames.free(.adopt(frame, order))
      try expect(.freedTwice, of: frame, on: test) { test.frames.free(.adopt(frame, order)) }
    }
    let frames = try (0..<3).map { _ in try test.frames.allocate(FrameRequest()).surrender() }
    let before = test.free
    let list = [frames[0], frames[1], frames[0], frames[2]]
    test.frames.release(list.span)
    #expect(test.frames.lastFault?.kind == .freedTwice && test.frames.lastFault?.frame == frames[0])
    #expect(test.free == before + 3)
    try test.frames.checkInvariants()
  }

  @Test func `a free by another order or from within`() throws {
    let test = try machine()
    let frame = try test.frames.allocate(FrameRequest(order: Order(4))).surrender()
    try expect(.wrongOrder, of: frame, on: test, word: 1) { test.frames.free(.adopt(frame)) }
    try expect(.wrongOrder, of: frame, on: test, word: 1) {
      test.frames.free(.adopt(frame, Order(5)))
    }
    let inside = frame + PageCount(3)
    try expect(.wrongOrder, of: inside, on: test) { test.frames.free(.adopt(inside)) }
    test.frames.free(.adopt(frame, Order(4)))
  }

  @Test func `a free of what others hold or map`() throws {
    let test = try machine()
    let frame = try test.frames.allocate(FrameRequest()).surrender()
    test.frames.retain(frame)
    try expect(.held, of: frame, on: test, word: 2) { test.frames.free(.adopt(frame)) }
    test.frames.release(frame)
    test.frames.mapped(frame, at: PageNumber(1), space: 1)
    try expect(.mapped, of: frame, on: test, word: 1 << 32 | 1) { test.frames.release(frame) }
    test.frames.unmapped(frame, at: PageNumber(1), space: 1)
    test.frames.free(.adopt(frame))
    #expect(test.machine.violations.count == 2)
  }

  @Test func `a free of what holds objects of the heap`() throws {
    let test = try machine()
    for order in [Order.zero, Order(1), Order(4)] {
      let frame = try test.frames.allocate(FrameRequest(order: order, kind: .slab)).surrender()
      try expect(.objects, of: frame, on: test, word: 1) { test.frames.free(.adopt(frame, order)) }
      if order == .zero {
        try expect(.objects, of: frame, on: test, word: 1) { test.frames.release(frame) }
      }
      #expect(test.frames.table[frame].kind == .slab)
      test.frames.freeSlab(.adopt(frame, order))
      #expect(test.frames.table[frame].kind == .free)
    }
  }

  @Test func `an order beyond the largest block has no value`() {
    #expect(Order(exactly: 11) == nil && Order(holding: PageCount(1025)) == nil)
    #expect(Order(exactly: -1) == nil && Order(holding: .zero) == nil)
  }
}

extension FrameMachine {
  func isFree(_ frame: PageFrameNumber) -> Bool {
    frames.table.contains(frame) && frames.table[frame].kind == .free
      && frames.table[frame].isListed
  }
}
