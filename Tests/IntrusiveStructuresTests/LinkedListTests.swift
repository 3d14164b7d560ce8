// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures
import Testing

/// Links in two arrays, indexed by node.
private final class ArrayLinks: ListLinks {
  var nexts: [Int?]
  var previouses: [Int?]

  init(count: Int) {
    nexts = Array(repeating: nil, count: count)
    previouses = nexts
  }

  func next(of node: Int) -> Int? { nexts[node] }
  func previous(of node: Int) -> Int? { previouses[node] }
  func setNext(of node: Int, to next: Int?) { nexts[node] = next }
  func setPrevious(of node: Int, to previous: Int?) { previouses[node] = previous }

  func members(of list: LinkedList<Int>) -> [Int] {
    var members: [Int] = []
    var node = list.first
    while let current = node {
      members.append(current)
      node = next(of: current)
    }
    return members
  }
}

struct LinkedListTests {
  @Test(arguments: [1, 2, 3] as [UInt64])
  func `a list does what an array does, whatever the order of operations`(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    let links = ArrayLinks(count: 64)
    var list = LinkedList<Int>()
    var model: [Int] = []
    for step in 0..<4000 {
      let node = Int.random(in: 0..<64, using: &generator)
      if let place = model.firstIndex(of: node) {
        switch Int.random(in: 0..<3, using: &generator) {
        case 0: #expect(list.popFront(in: links) == model.removeFirst())
        case 1: #expect(list.popBack(in: links) == model.removeLast())
        default:
          list.remove(node, in: links)
          model.remove(at: place)
        }
      } else if let place = model.indices.randomElement(using: &generator), step % 3 == 0 {
        list.insert(node, after: model[place], in: links)
        model.insert(node, at: place + 1)
      } else if step % 2 == 0 {
        list.pushFront(node, in: links)
        model.insert(node, at: 0)
      } else {
        list.pushBack(node, in: links)
        model.append(node)
      }
      list.checkInvariants(in: links)
      #expect(links.members(of: list) == model, "seed \(seed), step \(step)")
    }
  }

  @Test func `appending a list empties it, whichever of the two was empty`() {
    for (left, right) in [(0, 0), (0, 3), (3, 0), (3, 2)] {
      let links = ArrayLinks(count: 8)
      var list = LinkedList<Int>()
      var other = LinkedList<Int>()
      for node in 0..<left { list.pushBack(node, in: links) }
      for node in left..<(left + right) { other.pushBack(node, in: links) }
      list.append(&other, in: links)
      list.checkInvariants(in: links)
      #expect(links.members(of: list) == Array(0..<(left + right)))
      #expect(other.isEmpty && other.count == 0)
    }
  }

  @Test func `an empty list has nothing to pop`() {
    let links = ArrayLinks(count: 1)
    var list = LinkedList<Int>()
    #expect(list.popFront(in: links) == nil)
    #expect(list.popBack(in: links) == nil)
    list.checkInvariants(in: links)
  }
}
