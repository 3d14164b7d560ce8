// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures
import Testing

struct OrderedTreeTests {
  /// Nodes are their own keys.
  private func insert(_ node: Int, into tree: inout OrderedTree<Int>, in links: ArrayTree) {
    tree.insert(node, in: links) { node < $0 }
  }

  @Test(arguments: [1, 2, 3, 4] as [UInt64])
  func `a tree does what a sorted array does, balanced at every step`(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    let links = ArrayTree(count: 200)
    var tree = OrderedTree<Int>()
    var model: [Int] = []
    for step in 0..<4000 {
      let node = Int.random(in: 0..<200, using: &generator)
      // What a node remembers comes from a field that is unrelated to its place.
      if let place = model.firstIndex(of: node) {
        tree.remove(node, in: links)
        model.remove(at: place)
      } else {
        links.slots[node].last = UInt64.random(in: 0..<1000, using: &generator)
        insert(node, into: &tree, in: links)
        model.insert(node, at: model.firstIndex { $0 > node } ?? model.endIndex)
      }
      if let changed = model.randomElement(using: &generator) {
        links.slots[changed].last = UInt64.random(in: 0..<1000, using: &generator)
        tree.refresh(changed, in: links)
      }
      tree.checkInvariants(in: links)
      #expect(tree.count == model.count)
      let probe = Int.random(in: 0..<200, using: &generator)
      let found = tree.find(in: links) { $0 == probe ? .here : probe < $0 ? .left : .right }
      #expect(found == (model.contains(probe) ? probe : nil), "seed \(seed), step \(step)")
      #expect(tree.first(in: links) { $0 >= probe } == model.first { $0 >= probe })
      #expect(tree.last(in: links) { $0 <= probe } == model.last { $0 <= probe })
    }
    #expect(links.members(of: tree) == model, "seed \(seed)")
  }

  @Test(arguments: [5, 6, 7] as [UInt64])
  func `a node that comes or goes may change what the next one remembers`(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    let links = ArrayTree(count: 100)
    var tree = OrderedTree<Int>()
    for _ in 0..<4000 {
      let node = Int.random(in: 0..<100, using: &generator)
      let value = UInt64.random(in: 0..<1000, using: &generator)
      if tree.find(in: links, { $0 == node ? .here : node < $0 ? .left : .right }) != nil {
        let next = tree.next(after: node, in: links)
        if let next { links.slots[next].last = value }
        tree.remove(node, changed: next, in: links)
      } else {
        let place = tree.place(in: links) { node < $0 }
        #expect(place.lower == tree.last(in: links) { $0 < node })
        #expect(place.upper == tree.first(in: links) { $0 > node })
        links.slots[node].last = UInt64.random(in: 0..<1000, using: &generator)
        if let upper = place.upper { links.slots[upper].last = value }
        tree.insert(node, at: place, in: links)
      }
      tree.checkInvariants(in: links)
    }
    #expect(links.members(of: tree) == links.members(of: tree).sorted())
  }

  @Test func `walks go through all nodes in both directions`() {
    let links = ArrayTree(count: 100)
    var tree = OrderedTree<Int>()
    for node in 0..<100 { insert(node * 37 % 100, into: &tree, in: links) }
    #expect(links.members(of: tree) == Array(0..<100))
    var backwards: [Int] = []
    var node = tree.last(in: links)
    while let current = node {
      backwards.append(current)
      node = tree.previous(before: current, in: links)
    }
    #expect(backwards == (0..<100).reversed())
  }

  @Test func `nodes that equal each other keep the order of their insertion`() {
    let links = ArrayTree(count: 50)
    var tree = OrderedTree<Int>()
    for node in 0..<50 { tree.insert(node, in: links) { node / 10 < $0 / 10 } }
    #expect(links.members(of: tree) == Array(0..<50))
  }

  @Test func `a node is inserted behind one whose place is known`() {
    let links = ArrayTree(count: 64)
    var tree = OrderedTree<Int>()
    var model: [Int] = []
    var generator = SeededGenerator(seed: 9)
    for node in 0..<64 {
      let place = Int.random(in: 0...model.count, using: &generator)
      tree.insert(node, after: place == 0 ? nil : model[place - 1], in: links)
      model.insert(node, at: place)
      tree.checkInvariants(in: links)
    }
    #expect(links.members(of: tree) == model)
  }

  @Test func `a replacement takes over place and subtree`() {
    let links = ArrayTree(count: 40)
    var tree = OrderedTree<Int>()
    for node in 0..<31 { insert(node, into: &tree, in: links) }
    for node in 0..<31 where node % 4 == 0 {
      let other = 31 + node / 4
      links.slots[other].last = 5000 + UInt64(node)
      tree.replace(node, with: other, in: links)
      tree.checkInvariants(in: links)
      #expect(links.slots[node].left == nil && links.slots[node].parent == nil)
    }
    #expect(links.members(of: tree).map { $0 >= 31 ? ($0 - 31) * 4 : $0 } == Array(0..<31))
  }

  @Test(arguments: [0, 1, 2, 3, 10, 100, 200])
  func `all nodes are taken out, each after its children, and may end there`(count: Int) {
    var generator = SeededGenerator(seed: UInt64(count))
    let links = ArrayTree(count: 200)
    var tree = OrderedTree<Int>()
    for node in (0..<200).shuffled(using: &generator).prefix(count) {
      insert(node, into: &tree, in: links)
    }
    let members = links.members(of: tree)
    var taken: [Int] = []
    tree.removeAll(in: links) { node in
      let slot = links.slots[node]
      #expect(slot.left == nil && slot.right == nil && slot.parent == nil && slot.height == 0)
      // Whoever looks at it again goes astray.
      links.slots[node].parent = node
      links.slots[node].left = -1
      taken.append(node)
    }
    #expect(taken.sorted() == members && tree.isEmpty && tree.count == 0)
    if count > 2 { #expect(taken != members) }
    insert(5, into: &tree, in: links)
    tree.checkInvariants(in: links)
  }

  @Test func `inserting in order keeps the tree at the height of its logarithm`() {
    let links = ArrayTree(count: 1023)
    var tree = OrderedTree<Int>()
    for node in 0..<1023 { tree.insert(node, after: node == 0 ? nil : node - 1, in: links) }
    #expect(tree.root.map { links.height(of: $0) } == 10)
  }
}
