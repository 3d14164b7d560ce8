// SPDX-License-Identifier: Apache-2.0

import MemoryEvents
import Testing

@testable import HostTool

struct FrameStatesTests {
  static func booted(_ count: Int = 64, from first: Int = 4) -> FrameStates {
    var states = FrameStates(frameCount: count)
    try! states.apply(
      MemoryEvent(.framesReleased, frame: UInt32(first), value: UInt64(count - first)))
    return states
  }

  static func allocated(
    _ frame: UInt32, order: UInt16 = 0, kind: FrameKind = .anonymous
  ) -> MemoryEvent {
    MemoryEvent(.frameAllocated, detail: UInt16(kind.rawValue) << 8 | order, frame: frame)
  }

  @Test func `a frame's life is followed from boot to free`() throws {
    var states = Self.booted()
    #expect(states.managedCount == 60)
    try states.apply(Self.allocated(8))
    try states.apply(
      MemoryEvent(
        .frameAssigned, detail: UInt16(FrameKind.file.rawValue), frame: 8, owner: 77, value: 5))
    try states.apply(MemoryEvent(.frameMapped, frame: 8))
    try states.apply(MemoryEvent(.frameMapped, frame: 8))
    #expect(
      states.states[8]
        == FrameStates.State(use: .head, kind: .file, owner: 77, index: 5, mappings: 2))
    #expect(states.residentCount == 1)
    try states.apply(MemoryEvent(.frameUnmapped, frame: 8))
    try states.apply(MemoryEvent(.frameUnmapped, frame: 8))
    try states.apply(MemoryEvent(.frameFreed, frame: 8))
    #expect(states.states[8] == FrameStates.State(use: .free, kind: .free))
    #expect(states.residentCount == 0)
    #expect(states.peakResidentCount == 1)
  }

  @Test func `a block that was cut is freed frame by frame`() throws {
    var states = Self.booted()
    try states.apply(Self.allocated(8, order: 2, kind: .plain))
    #expect(states.states[9].use == .inside)
    try states.apply(MemoryEvent(.blockSplit, detail: 2, frame: 8))
    for frame in 8..<12 as Range<UInt32> {
      try states.apply(MemoryEvent(.frameFreed, frame: frame))
    }
    #expect(states.states[8...11].allSatisfy { $0.use == .free })
  }

  @Test(arguments: [
    [allocated(2)], [allocated(8), allocated(8)], [MemoryEvent(.frameFreed, frame: 8)],
    [allocated(8), MemoryEvent(.frameFreed, frame: 8), MemoryEvent(.frameFreed, frame: 8)],
    [allocated(8, order: 1), MemoryEvent(.frameFreed, frame: 8)],
    [allocated(8, order: 1), MemoryEvent(.frameFreed, frame: 9)],
    [allocated(8, order: 1), allocated(9)], [allocated(9, order: 1)], [allocated(64)],
    [allocated(8, order: 11)], [allocated(8, kind: .free)],
    [MemoryEvent(.frameMapped, frame: 8)], [allocated(8), MemoryEvent(.frameUnmapped, frame: 8)],
    [
      allocated(8), MemoryEvent(.frameMapped, frame: 8), MemoryEvent(.frameFreed, frame: 8),
    ],
    [MemoryEvent(.framesReleased, frame: 3, value: 2)],
    [MemoryEvent(.framesReleased, frame: 60, value: .max)],
    [MemoryEvent(.frameAssigned, detail: 6, frame: 8)], [MemoryEvent(.frameMapped, frame: .max)],
    [allocated(8, order: 1), MemoryEvent(.blockSplit, detail: 2, frame: 8)],
  ])
  func `a record that the state does not allow is found`(events: [MemoryEvent]) throws {
    var states = Self.booted()
    for event in events.dropLast() { try states.apply(event) }
    #expect(throws: FrameStates.Contradiction.self) { try states.apply(events.last!) }
  }

  /// A model that keeps blocks in a list and searches it.
  private struct Model {
    var blocks: [(first: Int, order: Int, kind: FrameKind, mappings: UInt32)] = []
    func holds(_ frame: Int) -> Bool {
      blocks.contains { frame >= $0.first && frame < $0.first + 1 << $0.order }
    }
  }

  @Test(arguments: [UInt64(1), 2, 3, 4])
  func `random lives agree with a model`(seed: UInt64) throws {
    var random = SeededGenerator(seed)
    var states = Self.booted(256, from: 0)
    var model = Model()
    for _ in 0..<4000 {
      let place = model.blocks.indices.randomElement(using: &random)
      switch (UInt8.random(in: 0..<4, using: &random), place) {
      case (0, _), (_, nil):
        let order = Int.random(in: 0..<4, using: &random)
        let first = Int.random(in: 0..<256 >> order, using: &random) << order
        let isFree = (first..<first + 1 << order).allSatisfy { !model.holds($0) }
        let event = Self.allocated(UInt32(first), order: UInt16(order))
        if isFree {
          try states.apply(event)
          model.blocks.append((first, order, .anonymous, 0))
        } else {
          #expect(throws: FrameStates.Contradiction.self) { try states.apply(event) }
        }
      case (1, let place?):
        try states.apply(MemoryEvent(.frameMapped, frame: UInt32(model.blocks[place].first)))
        model.blocks[place].mappings += 1
      case (2, let place?) where model.blocks[place].mappings > 0:
        try states.apply(MemoryEvent(.frameUnmapped, frame: UInt32(model.blocks[place].first)))
        model.blocks[place].mappings -= 1
      case (_, let place?):
        let block = model.blocks[place]
        let event = MemoryEvent(
          .frameFreed, detail: UInt16(block.order), frame: UInt32(block.first))
        if block.mappings == 0 {
          try states.apply(event)
          model.blocks.remove(at: place)
        } else {
          #expect(throws: FrameStates.Contradiction.self) { try states.apply(event) }
        }
      }
      #expect(states.residentCount == model.blocks.count { $0.mappings > 0 })
    }
    for frame in 0..<256 { #expect((states.states[frame].use != .free) == model.holds(frame)) }
  }

  @Test func `every field that log and table disagree about is found`() throws {
    var states = Self.booted()
    try states.apply(Self.allocated(8, order: 1))
    try states.apply(
      MemoryEvent(.frameAssigned, detail: 6, frame: 8, owner: 9, value: 0x12_3456_789A))
    try states.apply(MemoryEvent(.frameMapped, frame: 8))
    let table = Self.table(of: states)
    #expect(Self.difference(table, states) == nil)
    for (place, frame) in [
      (8 * 32 + 8, UInt32(8)), (8 * 32 + 16, 8), (8 * 32 + 24, 8), (8 * 32 + 28, 8),
      (8 * 32 + 29, 8), (9 * 32 + 29, 9), (2 * 32 + 29, 2), (20 * 32 + 29, 20),
    ] {
      var broken = table
      broken[place] ^= 1
      #expect(Self.difference(broken, states)?.frame == frame, "byte \(place)")
    }
  }

  @Test func `a table that is too short or beyond RAM is a difference`() {
    let states = Self.booted()
    let table = Self.table(of: states)
    #expect(Self.difference(table, states, count: 63)?.frame == 63)
    #expect(Self.difference(Array(table.dropLast(32)), states)?.frame == 63)
  }

  private static func table(of states: FrameStates) -> [UInt8] {
    var table = [UInt8](repeating: 0, count: states.states.count * 32)
    for (frame, state) in states.states.enumerated() {
      table.setNumber(UInt64(state.owner), at: frame * 32 + 8, bytes: 4)
      table.setNumber(UInt64(state.mappings), at: frame * 32 + 16, bytes: 4)
      table.setNumber(state.index, at: frame * 32 + 24, bytes: 5)
      table[frame * 32 + 29] = state.kind.rawValue | state.order << 4
    }
    return table
  }

  private static func difference(
    _ table: [UInt8], _ states: FrameStates, count: Int = 64
  ) -> FrameTableCheck.Difference? {
    FrameTableCheck(table: 0, frameCount: count) { address, bytes in
      Int(address) + bytes <= table.count ? table.number(at: Int(address), bytes: bytes) : nil
    }.firstDifference(from: states)
  }
}

/// SplitMix64: small, and the same everywhere.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(_ seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}
