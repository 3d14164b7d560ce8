// SPDX-License-Identifier: Apache-2.0

import MemoryEvents
import SimulatedMachine
import Testing

struct FrameReplayTests {
  private let released = MemoryEvent(.framesReleased, frame: 16, value: 48)

  @Test func `a log that holds together gives every frame's state`() throws {
    let events = [
      released, allocated(32, order: 3), allocated(16, kind: .anonymous),
      MemoryEvent(.frameAssigned, detail: 6, frame: 16, owner: 9, value: 77),
      MemoryEvent(.frameMapped, frame: 16), MemoryEvent(.frameMapped, frame: 16),
      MemoryEvent(.frameUnmapped, frame: 16),
      MemoryEvent(.blockSplit, detail: 3, frame: 32), freed(33), freed(39),
      MemoryEvent(.faultDemandZero, frame: 999),
    ]
    let replay = try FrameReplay(frameCount: 64, events: events)
    #expect(replay.managedFrameCount == 48)
    #expect(replay.freeFrameCount == 48 - 1 - 6)
    #expect(replay.states[0].kind == .reserved)
    let expected = FrameReplay.State(
      kind: .anonymous, blockOrder: 0, mappings: 1, owner: 9, index: 77)
    #expect(replay.states[16] == expected)
    #expect(replay.states[34].blockOrder == 0)
    #expect(replay.states[33].kind == .free)
  }

  @Test(
    arguments: [
      ([allocated(8)], "is not free"),
      ([allocated(16), allocated(16)], "is not free"),
      ([allocated(16), freed(16), freed(16)], "freed twice"),
      ([allocated(32, order: 2), freed(33)], "no allocated block starts here"),
      ([allocated(32, order: 2), freed(32)], "was allocated with order 2"),
      ([allocated(33, order: 2)], "no block of this order"),
      ([allocated(16), MemoryEvent(.frameUnmapped, frame: 16)], "was not mapped"),
      ([MemoryEvent(.frameMapped, frame: 16)], "not a frame in use"),
      ([allocated(16), MemoryEvent(.frameMapped, frame: 16), freed(16)], "still mapped"),
      ([MemoryEvent(.framesReleased, frame: 20, value: 1)], "released before"),
      ([MemoryEvent(.framesReleased, frame: 60, value: 9)], "beyond RAM"),
    ] as [([MemoryEvent], String)])
  func `a log that contradicts itself is refused`(events: [MemoryEvent], reason: String) {
    var replay = FrameReplay(frameCount: 64)
    #expect(replay.apply(released) == nil)
    for event in events.dropLast() { #expect(replay.apply(event) == nil) }
    let before = replay.states
    #expect(replay.apply(events.last!)?.reason.contains(reason) == true)
    #expect(replay.states == before)
  }
}

private func allocated(
  _ frame: UInt32, order: UInt16 = 0, kind: FrameKind = .plain
) -> MemoryEvent {
  MemoryEvent(.frameAllocated, detail: UInt16(kind.rawValue) << 8 | order, frame: frame)
}

private func freed(_ frame: UInt32, order: UInt16 = 0) -> MemoryEvent {
  MemoryEvent(.frameFreed, detail: order, frame: frame)
}
