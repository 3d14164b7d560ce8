// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures
import Testing

private struct NoNode: Error {}

/// Nodes in arrays; a budget makes `makeNode` fail.
private final class ArrayNodes: RadixNodes {
  var slots: [[UInt32]] = []
  var counts: [UInt8] = []
  var marked: [UInt64] = []
  var unused: [Int] = []
  var budget = Int.max

  var liveCount: Int { slots.count - unused.count }

  func makeNode() throws(NoNode) -> Int {
    guard budget > 0 else { throw NoNode() }
    budget -= 1
    if let node = unused.popLast() {
      slots[node] = Array(repeating: 0, count: 64)
      counts[node] = 0
      marked[node] = 0
      return node
    }
    slots.append(Array(repeating: 0, count: 64))
    counts.append(0)
    marked.append(0)
    return slots.count - 1
  }

  func freeNode(_ node: Int) { unused.append(node) }
  func slot(_ index: Int, of node: Int) -> UInt32 { slots[node][index] }
  func setSlot(_ index: Int, of node: Int, to value: UInt32) { slots[node][index] = value }
  func occupiedCount(of node: Int) -> UInt8 { counts[node] }
  func setOccupiedCount(of node: Int, to count: UInt8) { counts[node] = count }
  func marks(of node: Int) -> UInt64 { marked[node] }
  func setMarks(of node: Int, to marks: UInt64) { marked[node] = marks }
  func packed(_ node: Int) -> UInt32 { UInt32(node) + 1 }
  func unpacked(_ value: UInt32) -> Int { Int(value) - 1 }
}

struct RadixTreeTests {
  @Test(arguments: [(1, 6), (2, 10), (3, 20), (4, 42)] as [(UInt64, UInt64)])
  func `a tree does what a dictionary does`(seed: UInt64, bits: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let nodes = ArrayNodes()
    var tree = RadixTree<Int>()
    var model: [UInt64: UInt32] = [:]
    for step in 0..<3000 {
      // Clustered, so that nodes fill and empty.
      let wide = UInt64.random(in: 0..<(1 << bits), using: &generator)
      let index = step % 5 == 0 ? wide : wide & 0x3f | ((wide >> 40) << 40)
      if step % 2 == 0 || model.isEmpty {
        let entry = UInt32.random(in: 1...UInt32.max, using: &generator)
        #expect(try tree.insert(entry, at: index, in: nodes) == model[index])
        model[index] = entry
      } else {
        let known = model.keys.sorted().randomElement(using: &generator) ?? index
        let victim = step % 4 == 1 ? known : index
        #expect(tree.remove(at: victim, in: nodes) == model.removeValue(forKey: victim))
      }
      tree.checkInvariants(in: nodes)
      #expect(tree.count == model.count)
      #expect(tree.entry(at: index, in: nodes) == model[index])
      let next = tree.next(from: index, in: nodes)
      let expected = model.keys.filter { $0 >= index }.min()
      #expect(next?.index == expected, "seed \(seed), step \(step), from \(index)")
      #expect(next?.entry == expected.flatMap { model[$0] })
    }
    for index in model.keys.sorted() { #expect(tree.remove(at: index, in: nodes) != nil) }
    tree.checkInvariants(in: nodes)
    #expect(tree.isEmpty && nodes.liveCount == 0)
  }

  @Test(arguments: [(1, 6), (2, 12), (3, 30)] as [(UInt64, UInt64)])
  func `marks are found in order, and go with their entries`(seed: UInt64, bits: UInt64) throws {
    var generator = SeededGenerator(seed: seed)
    let nodes = ArrayNodes()
    var tree = RadixTree<Int>()
    var model: [UInt64: Bool] = [:]
    for step in 0..<3000 {
      let wide = UInt64.random(in: 0..<(1 << bits), using: &generator)
      let index = step % 3 == 0 ? wide : wide & 0x7f
      let known = model.keys.sorted().randomElement(using: &generator) ?? index
      switch generator.next() % 5 {
      case 0, 1:
        _ = try tree.insert(7, at: index, in: nodes)
        model[index] = model[index] ?? false
      case 2 where model[known] != nil:
        tree.mark(at: known, in: nodes)
        model[known] = true
      case 3:
        tree.unmark(at: known, in: nodes)
        if model[known] != nil { model[known] = false }
      default:
        _ = tree.remove(at: known, in: nodes)
        model[known] = nil
      }
      tree.checkInvariants(in: nodes)
      let expected = model.filter { $0.value && $0.key >= index }.keys.min()
      #expect(tree.nextMarked(from: index, in: nodes)?.index == expected, "seed \(seed)")
    }
  }

  @Test func `a failed insertion leaves the tree as it was, at every depth`() throws {
    for start in [nil, 0, 63, 64 * 64] as [UInt64?] {
      for budget in 0..<12 {
        let nodes = ArrayNodes()
        var tree = RadixTree<Int>()
        if let start { _ = try tree.insert(7, at: start, in: nodes) }
        let before = nodes.liveCount
        nodes.budget = budget
        do {
          _ = try tree.insert(8, at: 1 << 41, in: nodes)
          #expect(tree.entry(at: 1 << 41, in: nodes) == 8)
        } catch {
          #expect(nodes.liveCount == before)
          #expect(tree.count == (start == nil ? 0 : 1))
        }
        tree.checkInvariants(in: nodes)
        if let start { #expect(tree.entry(at: start, in: nodes) == 7) }
      }
    }
  }

  @Test func `the largest index is reached, and nothing is found behind it`() throws {
    let nodes = ArrayNodes()
    var tree = RadixTree<Int>()
    let largest = RadixTree<Int>.largestIndex
    _ = try tree.insert(5, at: largest, in: nodes)
    #expect(tree.next(from: 0, in: nodes)?.index == largest)
    #expect(tree.next(from: largest, in: nodes)?.index == largest)
    #expect(tree.next(from: largest + 1, in: nodes) == nil)
    #expect(tree.next(from: .max, in: nodes) == nil)
    #expect(tree.entry(at: .max, in: nodes) == nil)
  }
}
