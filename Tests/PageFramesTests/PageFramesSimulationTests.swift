// SPDX-License-Identifier: Apache-2.0

import MemoryEvents
import MemoryUnits
import SimulatedMachine
import Testing

@testable import PageFrames

/// Random operations against a model: who owns which frame.
@Suite struct PageFramesSimulationTests {
  struct Model {
    var owners: [Int?]
    var blocks: [(frame: PageFrameNumber, order: Order, kind: FrameKind, holders: Int)] = []

    init(frameCount: Int) { owners = Array(repeating: nil, count: frameCount) }

    mutating func add(_ frame: PageFrameNumber, _ order: Order, _ kind: FrameKind) {
      for number in Int(frame.value)..<Int(frame.value) + order.pageCount.value {
        #expect(owners[number] == nil, "frame \(number) was given twice")
        owners[number] = blocks.count
      }
      blocks.append((frame, order, kind, 1))
    }

    mutating func remove(_ index: Int) {
      let (frame, order, _, _) = blocks[index]
      for number in Int(frame.value)..<Int(frame.value) + order.pageCount.value {
        owners[number] = nil
      }
      blocks.swapAt(index, blocks.count - 1)
      blocks.removeLast()
      guard index < blocks.count else { return }
      let (moved, size, _, _) = blocks[index]
      for number in Int(moved.value)..<Int(moved.value) + size.pageCount.value {
        owners[number] = index
      }
    }

    var usedFrameCount: Int { owners.count { $0 != nil } }
  }

  static let kinds: [FrameKind] = [.plain, .kernelStack, .pageTable, .anonymous, .file]

  @Test(arguments: [1, 2, 3, 4, 5, 6, 7, 8])
  func `every frame has one owner whatever is asked`(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let frameCount = 64 + generator.number(below: 449)
    let edge = UInt32(generator.number(below: frameCount))
    let zones = ZoneLayout(
      dmaEnd: PageFrameNumber(edge / 2), dma32End: PageFrameNumber(edge),
      normalEnd: PageFrameNumber(.max), highMemoryEnd: PageFrameNumber(.max))
    let hole = generator.number(below: frameCount)
    let test = try FrameMachine(
      frameCount: frameCount, zones: zones,
      reserved: [hole..<min(hole + generator.number(below: 30) + 1, frameCount)])
    var model = Model(frameCount: frameCount)
    let managed = test.frames.managedPageCount.value

    for _ in 0..<2000 {
      step(test, &model, &generator)
      try test.frames.checkInvariants()
      #expect(test.free + model.usedFrameCount == managed)
    }
    #expect(test.firstDifferenceFromEvents() == nil)
    while let block = model.blocks.last {
      for _ in 0..<block.holders { test.frames.release(block.frame) }
      model.remove(model.blocks.count - 1)
    }
    test.frames.drainCPULists()
    #expect(test.frames.freePageCount.value == managed)
    try test.frames.checkInvariants()
    #expect(test.firstDifferenceFromEvents() == nil)
  }

  private func step(
    _ test: FrameMachine, _ model: inout Model, _ generator: inout SeededGenerator
  ) {
    switch generator.number(below: 20) {
    case 0..<9: allocate(test, &model, &generator)
    case 9..<17:
      guard !model.blocks.isEmpty else { return }
      let index = generator.number(below: model.blocks.count)
      let block = model.blocks[index]
      #expect(test.frames.table[block.frame].kind == block.kind)
      if block.holders == 1, block.order == .zero, generator.oneIn(4) {
        // Nobody writes to a frame here, so all are zeros.
        test.frames.freeZeroed(.adopt(block.frame))
        return model.remove(index)
      }
      #expect(test.frames.release(block.frame) == (block.holders == 1))
      if block.holders == 1 { model.remove(index) } else { model.blocks[index].holders -= 1 }
    case 17:
      guard !model.blocks.isEmpty else { return }
      let index = generator.number(below: model.blocks.count)
      test.frames.retain(model.blocks[index].frame)
      model.blocks[index].holders += 1
    case 18:
      guard let index = model.blocks.indices.first(where: { model.blocks[$0].holders == 1 })
      else { return }
      let block = model.blocks[index]
      model.remove(index)
      let first = test.frames.split(.adopt(block.frame, block.order))
      for offset in 0..<UInt32(block.order.pageCount.value) {
        model.add(PageFrameNumber(first.value + offset), .zero, block.kind)
      }
    default: test.frames.drainCPULists()
    }
  }

  private func allocate(
    _ test: FrameMachine, _ model: inout Model, _ generator: inout SeededGenerator
  ) {
    let request = FrameRequest(
      order: Order(UInt8(generator.oneIn(3) ? generator.number(below: 6) : 0)),
      kind: Self.kinds[generator.number(below: Self.kinds.count)],
      zoneLimit: generator.oneIn(4) ? .dma32 : .normal,
      mobility: Mobility(rawValue: UInt8(generator.number(below: 3))) ?? .movable,
      content: generator.oneIn(3) ? .zeroed : .uninitialized,
      urgency: generator.oneIn(10) ? .reserve : .normal)
    guard let block = try? test.frames.allocate(request) else { return }
    #expect(test.frames.table[block.first].zone <= request.zoneLimit)
    let first = block.surrender()
    model.add(first, request.order, request.kind)
  }

  @Test(arguments: [11, 12])
  func `mobilities stay apart on a machine that is large enough`(seed: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let test = try FrameMachine(frameCount: 8192)
    var held: [PageFrameNumber] = []
    for round in 0..<6000 {
      let mobility: Mobility = generator.oneIn(3) ? .unmovable : .movable
      let kind: FrameKind = mobility == .movable ? .anonymous : .kernelStack
      if generator.number(below: 100) < 70 {
        if let block = try? test.frames.allocate(FrameRequest(kind: kind, mobility: mobility)) {
          held.append(block.surrender())
        }
      } else if !held.isEmpty {
        test.frames.release(held.remove(at: generator.number(below: held.count)))
      }
      if round % 500 == 0 { try test.frames.checkInvariants() }
    }
    try test.frames.checkInvariants()
    // Page blocks in which both kinds live: without grouping it is all of them.
    var mixed = 0
    for block in 0..<16 {
      let kinds = Set(
        (block * 512..<(block + 1) * 512).map {
          test.frames.table[PageFrameNumber(UInt32($0))].kind
        })
      if kinds.contains(.kernelStack) && kinds.contains(.anonymous) { mixed += 1 }
    }
    #expect(mixed <= 1, "seed \(seed)")
    for frame in held { test.frames.release(frame) }
    test.frames.drainCPULists()
    #expect(test.frames.freePageCount == test.frames.managedPageCount)
    try test.frames.checkInvariants()
  }
}
