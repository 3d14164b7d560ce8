// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames
import SimulatedMachine

// Blocks of frames.

extension SimulatedUser {
  private static var kinds: [FrameKind] { [.plain, .pageTable, .anonymous, .file, .dma] }

  func allocateBlock() {
    let request = randomRequest()
    guard let block = attempt({ () throws(AllocationError) in try allocate(request) }) else {
      return
    }
    let descriptor = kernel.frames.table[block.frame]
    expect(descriptor.kind == request.kind && descriptor.order == request.order)
    expect(descriptor.references == 1 && descriptor.mappings == 0 && descriptor.owner == 0)
    expect(descriptor.zone <= request.zoneLimit)
    if request.content == .zeroed { expect(isZero(block)) }
    writeStamp(block)
    blocks.append(block)
  }

  private func allocate(_ request: FrameRequest) throws(AllocationError) -> Block {
    Block(
      frame: try kernel.frames.allocate(request).surrender(), order: request.order,
      kind: request.kind, holders: 1, stamp: generator.next())
  }

  private func randomRequest() -> FrameRequest {
    let largest = generator.oneIn(50) ? Order.count : 5
    return FrameRequest(
      order: Order(UInt8(generator.oneIn(4) ? generator.number(below: largest) : 0)),
      kind: Self.kinds[generator.number(below: Self.kinds.count)],
      zoneLimit: [.dma, .dma32, .normal, .highMemory, .highMemory][generator.number(below: 5)],
      mobility: [.unmovable, .movable, .movable, .reclaimable][generator.number(below: 4)],
      content: generator.oneIn(4) ? .zeroed : .uninitialized,
      urgency: generator.oneIn(20) ? .reserve : .normal)
  }

  func freeBlock() {
    guard let block = takeRandom(from: &blocks) else { return }
    checkStamp(block)
    for holder in (0..<block.holders).reversed() {
      let isLast = holder == 0
      if isLast && generator.oneIn(2) {
        kernel.frames.free(.adopt(block.frame, block.order))
      } else {
        expect(kernel.frames.release(block.frame) == isLast)
      }
    }
  }

  func shareBlock() {
    guard !blocks.isEmpty else { return }
    let index = generator.number(below: blocks.count)
    if blocks[index].holders > 1 {
      blocks[index].holders -= 1
      expect(!kernel.frames.release(blocks[index].frame))
    } else {
      blocks[index].holders += 1
      kernel.frames.retain(blocks[index].frame)
    }
  }

  /// Leaves a block to another CPU, and takes over one.
  func passBlock() {
    if let block = takeRandom(from: &blocks) { exchange.blocks.withLock { $0.append(block) } }
    let other = generator.next()
    let block = exchange.blocks.withLock { blocks -> Block? in
      guard blocks.count > 4 else { return nil }
      return blocks.remove(at: Int(other % UInt64(blocks.count)))
    }
    if let block {
      checkStamp(block)
      blocks.append(block)
    }
  }

  func splitBlock() {
    guard let index = blocks.indices.last(where: { isSplittable(blocks[$0]) }) else { return }
    let block = blocks.remove(at: index)
    checkStamp(block)
    let first = kernel.frames.split(.adopt(block.frame, block.order))
    for offset in 0..<block.order.pageCount.value {
      let single = Block(
        frame: first + PageCount(offset), order: .zero, kind: block.kind, holders: 1,
        stamp: generator.next())
      writeStamp(single)
      blocks.append(single)
    }
  }

  private func isSplittable(_ block: Block) -> Bool {
    block.holders == 1 && block.order > .zero && block.order < Order(5)
  }

  private func lastFrame(_ block: Block) -> PageFrameNumber {
    block.frame + PageCount(block.order.pageCount.value - 1)
  }

  private func writeStamp(_ block: Block) {
    let machine = kernel.machine
    machine.withBytes(of: block.frame) { $0.store(block.stamp, at: 0) }
    machine.withBytes(of: lastFrame(block)) { $0.store(~block.stamp, at: 4088) }
  }

  private func checkStamp(_ block: Block) {
    let machine = kernel.machine
    let first = machine.withBytes(of: block.frame) { $0.load(UInt64.self, at: 0) }
    let last = machine.withBytes(of: lastFrame(block)) { $0.load(UInt64.self, at: 4088) }
    expect(first == block.stamp && last == ~block.stamp, "frame \(block.frame.value)")
    expect(kernel.frames.table[block.frame].references == UInt32(block.holders))
  }

  private func isZero(_ block: Block) -> Bool {
    [block.frame, lastFrame(block)].allSatisfy { frame in
      kernel.machine.withBytes(of: frame) { bytes in
        [0, 8, 2048, 4088].allSatisfy { bytes.load(UInt64.self, at: $0) == 0 }
      }
    }
  }
}
