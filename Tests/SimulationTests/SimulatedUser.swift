// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames
import SimulatedMachine
import Synchronization
import Testing

/// What one CPU does to the allocators at random, and the model of what it holds.
///
/// Every block, object and run of bytes is stamped when it is got and looked at when it is given
/// back, so that memory given to two is seen by its contents, too.
final class SimulatedUser {
  struct Block {
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
    case bytes(PhysicalAddress, count: Int, stamp: UInt64)
  }

  let kernel: SimulatedKernel
  /// Blocks on their way to another CPU.
  let exchange: Exchange
  var generator: SeededGenerator
  var blocks: [Block] = []
  var objects: [Object] = []
  private(set) var operationCount = 0
  private(set) var failureCount = 0
  private var isGrowing = true

  init(_ kernel: SimulatedKernel, exchange: Exchange, seed: UInt64) {
    self.kernel = kernel
    self.exchange = exchange
    generator = SeededGenerator(seed: seed)
  }

  final class Exchange: Sendable {
    let blocks = Mutex<[Block]>([])
  }

  /// The frames held, those of typed objects and small byte runs aside.
  var usedFrameCount: Int {
    let inBlocks = blocks.reduce(0) { $0 + $1.order.pageCount.value }
    return objects.reduce(inBlocks) { sum, object in
      guard case .bytes(_, let count, _) = object, count >= kernel.pageByteCount else {
        return sum
      }
      return sum + count / 4096
    }
  }

  func step() {
    operationCount += 1
    if generator.oneIn(4_000) { isGrowing.toggle() }
    let getsMore = generator.number(below: 10) < (isGrowing ? 7 : 3)
    switch generator.number(below: 100) {
    case 0..<45: getsMore ? allocateBlock() : freeBlock()
    case 45..<85: getsMore ? allocateObject() : freeObject()
    case 85..<90: shareBlock()
    case 90..<95: passBlock()
    case 95..<97: splitBlock()
    case 97: lookAtObject()
    case 98: rareVerb()
    default: changeInjection()
    }
  }

  /// Gives everything back.
  func finish() {
    kernel.frames.inject(.none)
    while !blocks.isEmpty { freeBlock() }
    while !objects.isEmpty { freeObject() }
  }

  /// Runs an allocation that may fail, as long as it fails for a reason that exists.
  func attempt<Value>(_ allocate: () throws(AllocationError) -> Value) -> Value? {
    do throws(AllocationError) {
      return try allocate()
    } catch {
      #expect(error == .outOfMemory || error == .injected)
      failureCount += 1
      return nil
    }
  }

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
