// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures
import MemoryUnits
import Testing

/// Entries are numbers whose keys are in a table; knows where each entry is.
private final class ArraySlots: QueueSlots {
  var places: [Int]
  var keys: [QueueKey]
  var positions: [Int: Int] = [:]

  init(capacity: Int) {
    places = Array(repeating: -1, count: capacity)
    keys = Array(repeating: QueueKey(time: .zero, sequence: 0), count: 1000)
  }

  var capacity: Int { places.count }
  func entry(at position: Int) -> Int { places[position] }
  func key(of entry: Int) -> QueueKey { keys[entry] }
  func setEntry(_ entry: Int, at position: Int) {
    places[position] = entry
    positions[entry] = position
  }
}

struct PriorityQueueTests {
  @Test(arguments: [1, 2, 3] as [UInt64])
  func `entries come out by time, equal ones by sequence, whatever was removed`(
    seed: UInt64
  ) throws {
    var generator = SeededGenerator(seed: seed)
    let slots = ArraySlots(capacity: 100)
    var queue = PriorityQueue()
    var model: [Int] = []
    for step in 0..<3000 {
      let entry = Int.random(in: 0..<1000, using: &generator)
      switch Int.random(in: 0..<5, using: &generator) {
      case 0:
        let expected = model.min { slots.keys[$0] < slots.keys[$1] }
        #expect(queue.first(in: slots) == expected)
        #expect(queue.popFirst(in: slots) == expected, "seed \(seed), step \(step)")
        model.removeAll { $0 == expected }
      case 1:
        guard let victim = model.randomElement(using: &generator) else { continue }
        let position = try #require(slots.positions[victim])
        #expect(queue.remove(at: position, in: slots) == victim)
        model.removeAll { $0 == victim }
      default:
        if model.contains(entry) { continue }
        let time = VirtualTime(nanoseconds: UInt64.random(in: 0..<50, using: &generator))
        slots.keys[entry] = QueueKey(time: time, sequence: UInt64(step))
        let fits = queue.insert(entry, in: slots)
        #expect(fits == (model.count < 100))
        if fits { model.append(entry) }
      }
      #expect(queue.count == model.count)
      queue.checkInvariants(in: slots)
    }
  }
}
