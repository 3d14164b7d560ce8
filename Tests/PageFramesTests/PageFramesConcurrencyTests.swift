// SPDX-License-Identifier: Apache-2.0

import MemoryUnits
import PageTableFormats
import SimulatedMachine
import Synchronization
import Testing

@testable import PageFrames

@Suite struct PageFramesConcurrencyTests {
  /// Four CPUs, each with blocks of its own, on a machine that is too small for all of them.
  @Test func `four CPUs never share a frame and lose none`() async throws {
    let base = TestMachine(SimulationOptions(frameCount: 8192, cpuCount: 4))
    let machine = ThreadedMachine(base: base)
    var memory = BootMemory(limit: machine.directMap.limit)
    memory.add(from: PhysicalAddress(0), ByteCount(8192 * 4096))
    let frames = try PageFrames(
      machine: machine, memory: &memory,
      zones: ZoneLayout(
        dmaEnd: PageFrameNumber(2048), dma32End: PageFrameNumber(6144),
        normalEnd: PageFrameNumber(.max), highMemoryEnd: PageFrameNumber(.max)),
      cpuCount: 4)
    frames.takeOver(&memory)
    let managed = frames.managedPageCount

    await withTaskGroup(of: Void.self) { group in
      for cpu in UInt8(0)..<4 {
        group.addTask {
          ThreadedMachine.$cpu.withValue(CPUNumber(cpu)) { Self.churn(frames, seed: UInt64(cpu)) }
        }
      }
    }

    // The machine itself checked each event against those before it.
    #expect(frames.freePageCount + frames.cachedPageCount == managed)
    #expect(base.replay.freeFrameCount == managed.value)
    try frames.checkInvariants()
    frames.drainCPULists()
    #expect(frames.freePageCount == managed)
    try frames.checkInvariants()
  }

  /// Counting that is not exact between CPUs once ran below zero.
  @Test func `failures on purpose are as many as asked for, whoever allocates`() throws {
    let machine = TestMachine(SimulationOptions(frameCount: 8192, cpuCount: 4))
    defer { machine.tearDown() }
    var memory = BootMemory(limit: machine.directMap.limit)
    memory.add(from: PhysicalAddress(0), ByteCount(8192 * 4096))
    let frames = try PageFrames(
      machine: machine, memory: &memory,
      zones: ZoneLayout(
        dmaEnd: PageFrameNumber(2048), dma32End: PageFrameNumber(6144),
        normalEnd: PageFrameNumber(.max), highMemoryEnd: PageFrameNumber(.max)),
      cpuCount: 4)
    frames.takeOver(&memory)
    frames.inject(FailureInjection(interval: 2, space: 20_000, times: 5_000))
    let failures = Atomic<Int>(0)
    machine.runParallel { _ in
      for _ in 0..<10_000 {
        if let block = try? frames.allocate(FrameRequest()) {
          frames.free(block)
        } else {
          failures.add(1, ordering: .relaxed)
        }
      }
    }
    #expect(failures.load(ordering: .relaxed) == 5_000)
  }

  private static func churn(_ frames: PageFrames<ThreadedMachine>, seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    var held: [(PageFrameNumber, Order)] = []
    for _ in 0..<8000 {
      if generator.number(below: 100) < 54 {
        let order = Order(UInt8(generator.oneIn(8) ? generator.number(below: 8) : 0))
        let mobility: Mobility = generator.oneIn(2) ? .movable : .unmovable
        if let block = try? frames.allocate(FrameRequest(order: order, mobility: mobility)) {
          held.append((block.surrender(), order))
        }
      } else if !held.isEmpty {
        let (frame, order) = held.remove(at: generator.number(below: held.count))
        frames.free(.adopt(frame, order))
      }
    }
    for (frame, order) in held { frames.free(.adopt(frame, order)) }
  }
}
