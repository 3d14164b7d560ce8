// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames
import SimulatedMachine
import Synchronization

/// What one CPU does to the allocators at random, and the model of what it holds.
///
/// Every block, object and run of bytes is stamped when it is got and looked at when it is given
/// back, so that memory given to two is seen by its contents, too.
public final class SimulatedUser {
  public struct Block: Sendable {
    var frame: PageFrameNumber
    var order: Order
    var kind: FrameKind
    var holders: Int
    var stamp: UInt64
  }

  enum Object {
    case small(Reference<SmallObject>, stamp: UInt64)
    case middle(Reference<MiddleObject>, stamp: UInt64)
    case large(Reference<LargeObject>, stamp: UInt64)
    case made(PhysicalAddress)
    case bytes(PhysicalAddress, count: Int, stamp: UInt64)
  }

  let kernel: SimulatedKernel
  /// Blocks on their way to another CPU.
  let exchange: Exchange
  var generator: SeededGenerator
  var blocks: [Block] = []
  var objects: [Object] = []
  public private(set) var operationCount = 0
  public private(set) var failureCount = 0
  /// It may use what has one lock for all: areas and devices. One user at a time.
  public var hasKernelLock = false
  var ranges: [Range] = []
  var areas: [Area] = []
  var holdings: [Holding] = []
  let hardware: Hardware?
  private var isGrowing = true

  public init(_ kernel: SimulatedKernel, exchange: Exchange, seed: UInt64) {
    self.kernel = kernel
    self.exchange = exchange
    generator = SeededGenerator(seed: seed)
    hardware = Hardware(kernel)
  }

  public final class Exchange: Sendable {
    let blocks = Mutex<[Block]>([])

    public init() {}
  }

  /// The frames held, those of typed objects and small byte runs aside.
  public var usedFrameCount: Int {
    let inBlocks =
      blocks.reduce(0) { $0 + $1.order.pageCount.value }
      + ranges.reduce(0) { $0 + $1.frames.count.value } + areaFrameCount + deviceFrameCount
    return objects.reduce(inBlocks) { sum, object in
      guard case .bytes(_, let count, _) = object, count >= kernel.pageByteCount else {
        return sum
      }
      return sum + count / 4096
    }
  }

  public func step() {
    operationCount += 1
    if generator.oneIn(4_000) { isGrowing.toggle() }
    let getsMore = generator.number(below: 10) < (isGrowing ? 7 : 3)
    switch generator.number(below: 112) {
    case 0..<45: getsMore ? allocateBlock() : freeBlock()
    case 45..<85: getsMore ? allocateObject() : freeObject()
    case 85..<90: shareBlock()
    case 90..<95: passBlock()
    case 95..<97: splitBlock()
    case 97: lookAtObject()
    case 98: rareVerb()
    case 99: changeInjection()
    case 100..<104: getsMore ? allocateRange() : freeRange()
    case 104..<108: useAreas(getsMore)
    default: useDevices(getsMore)
    }
  }

  /// Gives everything back.
  public func finish() {
    kernel.frames.inject(.none)
    while !blocks.isEmpty { freeBlock() }
    while !objects.isEmpty { freeObject() }
    while !ranges.isEmpty { freeRange() }
    while !areas.isEmpty { freeArea() }
    finishDevices()
  }

  /// Runs an allocation that may fail, as long as it fails for a reason that exists.
  func attempt<Value>(_ allocate: () throws(AllocationError) -> Value) -> Value? {
    do throws(AllocationError) {
      return try allocate()
    } catch {
      expect(error == .outOfMemory || error == .injected)
      failureCount += 1
      return nil
    }
  }

  func noteFailure() { failureCount += 1 }

  private func rareVerb() {
    switch generator.number(below: 8) {
    case 0: kernel.frames.drainCPULists()
    case 1: _ = kernel.objects.shrink()
    default: break
    }
  }

  private func changeInjection() {
    let failures =
      generator.oneIn(3)
      ? FailureInjection(
        interval: UInt32(2 + generator.number(below: 30)),
        space: UInt32(generator.number(below: 20)), times: UInt32(generator.number(below: 40)))
      : .none
    kernel.frames.inject(failures)
  }

  func takeRandom<Element>(from array: inout [Element]) -> Element? {
    guard !array.isEmpty else { return nil }
    array.swapAt(generator.number(below: array.count), array.count - 1)
    return array.removeLast()
  }
}
