// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures

/// A table of tree nodes, each with an interval; also counts calls of `update`.
final class ArrayTree: IntervalLinks {
  struct Slot {
    var left: Int?
    var right: Int?
    var parent: Int?
    var height: UInt8 = 0
    var first: UInt64 = 0
    var last: UInt64 = 0
    var subtreeLast: UInt64 = 0
  }

  var slots: [Slot]

  init(count: Int) { slots = Array(repeating: Slot(), count: count) }

  func left(of node: Int) -> Int? { slots[node].left }
  func right(of node: Int) -> Int? { slots[node].right }
  func parent(of node: Int) -> Int? { slots[node].parent }
  func height(of node: Int) -> UInt8 { slots[node].height }
  func setLeft(of node: Int, to child: Int?) { slots[node].left = child }
  func setRight(of node: Int, to child: Int?) { slots[node].right = child }
  func setParent(of node: Int, to parent: Int?) { slots[node].parent = parent }
  func setHeight(of node: Int, to height: UInt8) { slots[node].height = height }

  func firstIndex(of node: Int) -> UInt64 { slots[node].first }
  func lastIndex(of node: Int) -> UInt64 { slots[node].last }
  func subtreeLastIndex(of node: Int) -> UInt64 { slots[node].subtreeLast }
  func setSubtreeLastIndex(of node: Int, to index: UInt64) { slots[node].subtreeLast = index }

  func members(of tree: OrderedTree<Int>) -> [Int] {
    var members: [Int] = []
    var node = tree.first(in: self)
    while let current = node {
      members.append(current)
      node = tree.next(after: current, in: self)
    }
    return members
  }
}
