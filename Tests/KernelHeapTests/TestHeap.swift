// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import Machine
import MemoryUnits
import PageFrames
import PageTableFormats
import SimulatedMachine

/// A small machine with a page allocator and a heap that watches every access.
final class TestHeap {
  let machine: SimulatedMachine<X8664Format>
  let frames: PageFrames<CPUView>
  let heap: ObjectHeap<CPUView>
  private let table: UnsafeMutableRawBufferPointer

  init(
    frameCount: Int = 512, cpuCount: Int = 1, design: HeapDesign = .slub, isTracked: Bool = true,
    debugging: HeapDebugging = HeapDebugging(), failures: FailureInjection = .none
  ) throws {
    var heapOptions = HeapOptions()
    heapOptions.design = design
    heapOptions.debugging = debugging
    heapOptions.failures = failures
    var options = SimulationOptions(frameCount: frameCount, cpuCount: cpuCount)
    options.initialContent = .garbage
    options.freedFrames = .poisoned
    options.eventStorage = .dropped
    machine = SimulatedMachine(options)
    var memory = BootMemory(limit: machine.directMap.limit)
    memory.add(from: PhysicalAddress(0), PageCount(frameCount).bytes)
    let view = CPUView(machine: machine)
    frames = try PageFrames(machine: view, memory: &memory, zones: .x86_64, cpuCount: cpuCount)
    table = .allocate(
      byteCount: Liveness.byteCount(for: machine.directMap), alignment: 16)
    let block = MemoryBlock(unsafeBase: table.baseAddress!, byteCount: table.count)
    heap = try ObjectHeap(
      frames: frames, memory: &memory, cpuCount: cpuCount, options: heapOptions,
      liveness: isTracked && debugging.isEmpty ? .tracked(block) : .untracked)
    frames.takeOver(&memory)
  }

  deinit {
    machine.tearDown()
    table.deallocate()
  }

  /// Whether every frame that the heap took has come back.
  var isWhole: Bool {
    let used = (0..<UInt32(frames.table.count)).contains {
      frames.table[PageFrameNumber($0)].references > 0
    }
    return !used && heap.pageCount == .zero
  }
}

extension HeapDesign {
  /// One suite runs on all three.
  static var all: [HeapDesign] { [.slub, .slab, .slob] }
}

/// A type of objects for tests; its number makes its cache.
protocol TestObject: HeapObject, Equatable {
  init(seed: UInt64)
  var seed: UInt64 { get set }
}

struct SmallObject: TestObject {
  var seed: UInt64
  init(seed: UInt64) { self.seed = seed }
  static var cacheName: StaticString { "small" }
  static var cacheIndex: Int { 24 }
}

struct MiddleObject: TestObject {
  var seed: UInt64
  var rest = InlineArray<7, UInt64>(repeating: 0)

  init(seed: UInt64) {
    self.seed = seed
    for index in 0..<7 { rest[index] = seed &* UInt64(index + 3) }
  }

  static func == (left: Self, right: Self) -> Bool {
    left.seed == right.seed && (0..<7).allSatisfy { left.rest[$0] == right.rest[$0] }
  }

  static var cacheName: StaticString { "middle" }
  static var cacheIndex: Int { 25 }
}

/// So large that its slabs have several frames.
struct LargeObject: TestObject {
  var seed: UInt64
  var rest = InlineArray<93, UInt64>(repeating: 0)

  init(seed: UInt64) {
    self.seed = seed
    for index in 0..<93 { rest[index] = seed ^ UInt64(index) << 32 }
  }

  static func == (left: Self, right: Self) -> Bool {
    left.seed == right.seed && (0..<93).allSatisfy { left.rest[$0] == right.rest[$0] }
  }

  static var cacheName: StaticString { "large" }
  static var cacheIndex: Int { 26 }
}
