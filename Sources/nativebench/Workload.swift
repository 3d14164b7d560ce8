// SPDX-License-Identifier: Apache-2.0

import CHostThread
import MemoryUnits

/// Numbers of one sequence, the same in every run. Linux: `prandom_u32_state()`.
struct Sequence32 {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  /// Source: Vigna, splitmix64.
  mutating func next(below limit: Int) -> Int {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
    return (Int((mixed ^ mixed >> 31) >> 32) * limit) >> 32
  }

  mutating func order(of count: Int) -> [Int] {
    var order = Array(0..<count)
    for place in stride(from: count - 1, to: 0, by: -1) {
      order.swapAt(place, next(below: place + 1))
    }
    return order
  }
}

/// Operations of one kind, many in a row.
struct Workload<Heap: Allocator> {
  let heap: Heap

  /// Takes and gives back one block, so many times.
  func pagePairs(_ order: Order, _ count: Int) {
    for _ in 0..<count { heap.givePages(checked(heap.takePages(order)), order) }
  }

  func pairs(_ byteCount: Int, _ count: Int) {
    for _ in 0..<count { heap.give(checked(heap.take(byteCount))) }
  }

  /// Fills a machine of 1 GiB up to nine tenths; the pages in random order.
  func filled() -> [UInt] {
    let total = QuireAllocator.frameCount
    let taken = (0..<total * 9 / 10).map { _ in checked(heap.takePages(.zero)) }
    var numbers = Sequence32(seed: 3)
    return numbers.order(of: taken.count).map { taken[$0] }
  }

  /// Gives back a page and takes another, at places in random order: two operations a turn.
  func churn(_ pages: Table<UInt>, _ places: Table<Int>, from first: Int, _ count: Int) {
    for turn in first..<first + count {
      let place = places[turn]
      heap.givePages(pages[place], .zero)
      pages[place] = checked(heap.takePages(.zero))
    }
  }

  /// Takes as many objects as there are places, and gives them back in the places' order.
  func bulk(_ byteCount: Int, _ places: Table<Int>, _ objects: Table<UInt>) {
    for place in 0..<places.count { objects[place] = checked(heap.take(byteCount)) }
    for turn in 0..<places.count { heap.give(objects[places[turn]]) }
  }

  /// Gives back an object and takes one of another size, at places in random order.
  func replace(_ places: Table<Int>, _ sizes: Table<Int>, _ objects: Table<UInt>) {
    for turn in 0..<places.count {
      let place = places[turn]
      heap.give(objects[place])
      objects[place] = checked(heap.take(sizes[turn]))
    }
  }

  /// What 100,000 objects hold of the system, in thousandths of what was asked for.
  func residentShare() -> UInt64 {
    var numbers = Sequence32(seed: 7)
    var objects = [UInt](repeating: 0, count: 100_000)
    var asked = 0
    // What the allocator has before its first object is not counted.
    for _ in 0..<100 { heap.give(checked(heap.take(4096))) }
    let before = heap.residentByteCount
    for place in objects.indices {
      let byteCount = 8 + numbers.next(below: 4089)
      asked += byteCount
      objects[place] = checked(heap.take(byteCount))
      heap.fill(objects[place], byteCount)
    }
    let held = heap.residentByteCount - before
    for object in objects { heap.give(object) }
    return UInt64((held * 1000 + asked - 1) / asked)
  }

  @inline(__always)
  private func checked(_ address: UInt) -> UInt {
    precondition(address != 0, "no memory for the measurement")
    return address
  }
}
