// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures
import Testing

struct IntervalTreeTests {
  @Test(arguments: [1, 2, 3, 4] as [UInt64])
  func `the nodes that overlap a range are found, all and in order`(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    let links = ArrayTree(count: 120)
    var tree = IntervalTree<Int>()
    var model: [Int] = []
    for step in 0..<2000 {
      let node = Int.random(in: 0..<120, using: &generator)
      if let place = model.firstIndex(of: node) {
        tree.remove(node, in: links)
        model.remove(at: place)
      } else {
        let first = UInt64.random(in: 0..<60, using: &generator)
        links.slots[node].first = first
        links.slots[node].last = first + UInt64.random(in: 0..<12, using: &generator)
        tree.insert(node, in: links)
        model.insert(
          node, at: model.firstIndex { links.slots[$0].first > first } ?? model.endIndex)
      }
      tree.checkInvariants(in: links)
      let first = UInt64.random(in: 0..<64, using: &generator)
      let last = first + UInt64.random(in: 0..<8, using: &generator)
      var found: [Int] = []
      tree.forEachOverlap(from: first, through: last, in: links) { found.append($0) }
      let expected = model.filter {
        links.slots[$0].first <= last && links.slots[$0].last >= first
      }
      #expect(found == expected, "seed \(seed), step \(step), \(first)...\(last)")
    }
  }

  @Test func `an interval may grow while it is in the tree`() {
    let links = ArrayTree(count: 16)
    var tree = IntervalTree<Int>()
    for node in 0..<16 {
      links.slots[node].first = UInt64(node)
      links.slots[node].last = UInt64(node)
      tree.insert(node, in: links)
    }
    #expect(tree.firstOverlap(from: 100, through: 100, in: links) == nil)
    links.slots[3].last = 100
    tree.refresh(3, in: links)
    tree.checkInvariants(in: links)
    #expect(tree.firstOverlap(from: 100, through: 100, in: links) == 3)
  }

  @Test func `the body of a visit may remove the node it is given`() {
    let links = ArrayTree(count: 32)
    var tree = IntervalTree<Int>()
    for node in 0..<32 {
      links.slots[node].first = UInt64(node / 4)
      links.slots[node].last = UInt64(node)
      tree.insert(node, in: links)
    }
    var visited = 0
    var next = tree.firstOverlap(from: 0, through: .max, in: links)
    while let node = next {
      next = tree.nextOverlap(after: node, from: 0, through: .max, in: links)
      tree.remove(node, in: links)
      tree.checkInvariants(in: links)
      visited += 1
    }
    #expect(visited == 32 && tree.isEmpty)
  }
}
