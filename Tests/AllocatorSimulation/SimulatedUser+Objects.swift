// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import Machine
import MemoryUnits
import PageFrames
import SimulatedMachine

// Objects with a type, and runs of bytes.

/// A type of objects whose every word follows from one.
protocol StampedObject: HeapObject, Equatable {
  init(stamp: UInt64)
}

struct SmallObject: StampedObject {
  var word: UInt64
  init(stamp: UInt64) { word = stamp }
  static var cacheName: StaticString { "simulated-small" }
  static var cacheIndex: Int { 30 }
}

struct MiddleObject: StampedObject {
  var words: InlineArray<15, UInt64>
  init(stamp: UInt64) { words = InlineArray { stamp &+ UInt64($0) } }
  static func == (left: Self, right: Self) -> Bool {
    (0..<15).allSatisfy { left.words[$0] == right.words[$0] }
  }
  static var cacheName: StaticString { "simulated-middle" }
  static var cacheIndex: Int { 31 }
}

/// So large that its slabs have several frames.
struct LargeObject: StampedObject {
  var words: InlineArray<90, UInt64>
  init(stamp: UInt64) { words = InlineArray { stamp ^ UInt64($0) << 48 } }
  static func == (left: Self, right: Self) -> Bool {
    (0..<90).allSatisfy { left.words[$0] == right.words[$0] }
  }
  static var cacheName: StaticString { "simulated-large" }
  static var cacheIndex: Int { 32 }
}

/// Bytes whose last word is written once, with their slab, and whose first are the user's.
enum MadeObject: ObjectConstructor {
  static var byteCount: Int { 400 }
  static var alignment: Int { 8 }
  static var mark: UInt64 { 0x6D61_6465_206F_6E63 }
  static func construct(_ object: MemoryBlock) { object.store(mark, at: 392) }
}

extension SimulatedUser {
  func allocateObject() {
    let stamp = generator.next()
    let object: Object? =
      switch generator.number(below: 20) {
      case 0..<8: make(SmallObject.self, stamp).map { .small($0, stamp: stamp) }
      case 8..<12: make(MiddleObject.self, stamp).map { .middle($0, stamp: stamp) }
      case 12: make(LargeObject.self, stamp).map { .large($0, stamp: stamp) }
      case 13, 14: makeMade()
      default: makeBytes(stamp)
      }
    if let object { objects.append(object) }
  }

  private func make<T: StampedObject>(_ type: T.Type, _ stamp: UInt64) -> Reference<T>? {
    attempt { () throws(AllocationError) in try kernel.objects.allocate(T(stamp: stamp)) }
  }

  private func makeMade() -> Object? {
    attempt { () throws(AllocationError) in
      let block = try kernel.objects.allocate(from: kernel.made)
      let bytes = kernel.objects.bytes(of: block)
      expect(bytes.load(UInt64.self, at: 392) == MadeObject.mark)
      bytes.store(block.address.value, at: 0)
      return .made(block.surrender())
    }
  }

  private func makeBytes(_ stamp: UInt64) -> Object? {
    let limit = generator.oneIn(40) ? 100_000 : (generator.oneIn(4) ? 9_000 : 300)
    let asked = 1 + generator.number(below: limit)
    return attempt { () throws(AllocationError) in
      let block = try kernel.bytes.allocate(ByteCount(UInt64(asked)))
      let count = Int(block.byteCount.value)
      expect(count >= asked)
      let bytes = kernel.bytes.bytes(of: block)
      bytes.store(UInt8(truncatingIfNeeded: stamp), at: count - 1)
      if count >= 16 { bytes.store(stamp, at: 0) }
      return .bytes(block.surrender(), count: count, stamp: stamp)
    }
  }

  func freeObject() {
    guard let object = takeRandom(from: &objects) else { return }
    check(object)
    switch object {
    case .small(let reference, _): kernel.objects.free(reference)
    case .middle(let reference, _): kernel.objects.free(reference)
    case .large(let reference, _): kernel.objects.free(reference)
    case .made(let address):
      kernel.objects.free(kernel.objects.adopt(address, of: kernel.made), to: kernel.made)
    case .bytes(let address, _, _): kernel.bytes.free(kernel.bytes.adopt(address))
    }
  }

  func lookAtObject() {
    guard !objects.isEmpty else { return }
    check(objects[generator.number(below: objects.count)])
  }

  private func check(_ object: Object) {
    switch object {
    case .small(let reference, let stamp): check(reference, stamp)
    case .middle(let reference, let stamp): check(reference, stamp)
    case .large(let reference, let stamp): check(reference, stamp)
    case .made(let address):
      let map = kernel.machine.directMap
      expect(map.load(UInt64.self, at: address) == address.value)
      expect(map.load(UInt64.self, at: address + ByteCount(392)) == MadeObject.mark)
    case .bytes(let address, let count, let stamp):
      let map = kernel.machine.directMap
      let last = map.load(UInt8.self, at: address + ByteCount(UInt64(count - 1)))
      expect(last == UInt8(truncatingIfNeeded: stamp))
      if count >= 16 { expect(map.load(UInt64.self, at: address) == stamp) }
    }
  }

  private func check<T: StampedObject>(_ reference: Reference<T>, _ stamp: UInt64) {
    expect(kernel.objects[reference] == T(stamp: stamp))
  }
}
