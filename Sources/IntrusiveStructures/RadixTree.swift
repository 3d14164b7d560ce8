// SPDX-License-Identifier: Apache-2.0

/// Where the nodes of a radix tree come from and are kept: 64 slots of 32 bits, a mark for each of
/// them, and a count.
///
/// A storage is a reference, so its setters do not mutate it.
///
/// Linux: `struct xa_node`.
public protocol RadixNodes<Node> {
  associatedtype Node: Equatable & BitwiseCopyable
  associatedtype Failure: Error

  /// Makes a node whose slots, marks and count are 0.
  ///
  /// - Context: may neither sleep nor change the tree, so never reclaims by itself: the tree's
  ///   caller does when `insert` throws, and inserts again.
  func makeNode() throws(Failure) -> Node
  func freeNode(_ node: Node)

  func slot(_ index: Int, of node: Node) -> UInt32
  func setSlot(_ index: Int, of node: Node, to value: UInt32)
  /// The number of slots that are not 0; the tree keeps it.
  func occupiedCount(of node: Node) -> UInt8
  func setOccupiedCount(of node: Node, to count: UInt8)

  /// Bit n: slot n, or something below it, is marked; the tree keeps it.
  func marks(of node: Node) -> UInt64
  func setMarks(of node: Node, to marks: UInt64)

  /// A node as the value of a slot, never 0.
  func packed(_ node: Node) -> UInt32
  func unpacked(_ value: UInt32) -> Node
}

/// A sparse table from indices of up to 42 bits to values of 32: the page cache of a file.
///
/// A value is never 0; what it means (frame, shadow, swap entry) is the caller's. The tree is as
/// high as its largest index needs, and holds no node without an entry below it.
///
/// Linux: `struct xarray`, `xa_load()`, `xa_store()`, `xa_erase()`, `xa_find()`.
public struct RadixTree<Node: Equatable & BitwiseCopyable>: BitwiseCopyable {
  private var root: Node?
  /// The levels of nodes; each translates 6 bits.
  private var levelCount: UInt8 = 0
  /// The number of entries.
  public private(set) var count = 0

  public init() {}

  public var isEmpty: Bool { root == nil }

  var top: Node? { root }
  var height: UInt8 { levelCount }

  /// The largest index that a tree of full height reaches.
  public static var largestIndex: UInt64 { (1 << 42) - 1 }

  /// The entry at an index. Linux: `xa_load()`.
  ///
  /// - Complexity: O(log64 of the largest index).
  public func entry<Nodes: RadixNodes>(at index: UInt64, in nodes: Nodes) -> UInt32?
  where Nodes.Node == Node {
    guard var node = root, reaches(index) else { return nil }
    var level = levelCount &- 1
    while true {
      let value = nodes.slot(Self.slotIndex(index, at: level), of: node)
      if value == 0 { return nil }
      if level == 0 { return value }
      node = nodes.unpacked(value)
      level &-= 1
    }
  }

  /// Stores an entry, and returns the one that was there before. Linux: `xa_store()`.
  ///
  /// - Precondition: `entry` is not 0, `index` at most `largestIndex`.
  /// - Throws: what `makeNode` throws; then the tree is as it was.
  public mutating func insert<Nodes: RadixNodes>(
    _ entry: UInt32, at index: UInt64, in nodes: Nodes
  ) throws(Nodes.Failure) -> UInt32? where Nodes.Node == Node {
    precondition(entry != 0 && index <= Self.largestIndex, "no entry, or an index too large")
    do {
      var node = try grownRoot(for: index, in: nodes)
      var level = levelCount &- 1
      while level > 0 {
        node = try child(Self.slotIndex(index, at: level), of: node, in: nodes)
        level &-= 1
      }
      let slot = Self.slotIndex(index, at: 0)
      let old = nodes.slot(slot, of: node)
      nodes.setSlot(slot, of: node, to: entry)
      if old != 0 { return old }
      nodes.setOccupiedCount(of: node, to: nodes.occupiedCount(of: node) &+ 1)
      count += 1
      return nil
    } catch {
      prune(along: index, in: nodes)
      throw error
    }
  }

  /// Takes out the entry at an index and returns it. Linux: `xa_erase()`.
  public mutating func remove<Nodes: RadixNodes>(at index: UInt64, in nodes: Nodes) -> UInt32?
  where Nodes.Node == Node {
    guard var node = root, reaches(index) else { return nil }
    var level = levelCount &- 1
    while level > 0 {
      let value = nodes.slot(Self.slotIndex(index, at: level), of: node)
      if value == 0 { return nil }
      node = nodes.unpacked(value)
      level &-= 1
    }
    let slot = Self.slotIndex(index, at: 0)
    let old = nodes.slot(slot, of: node)
    if old == 0 { return nil }
    if nodes.marks(of: node) >> UInt64(slot) & 1 != 0 { unmark(at: index, in: nodes) }
    nodes.setSlot(slot, of: node, to: 0)
    let left = nodes.occupiedCount(of: node) &- 1
    nodes.setOccupiedCount(of: node, to: left)
    count -= 1
    if left == 0 { prune(along: index, in: nodes) }
    return old
  }

  /// The first entry at an index or behind it. Linux: `xa_find()`.
  public func next<Nodes: RadixNodes>(
    from start: UInt64, in nodes: Nodes
  ) -> (index: UInt64, entry: UInt32)? where Nodes.Node == Node {
    var index = start
    while reaches(index), let root {
      var node = root
      var level = levelCount &- 1
      search: while true {
        // Later slots begin at their own first index, not at `start`.
        var slot = Self.slotIndex(index, at: level)
        var value = nodes.slot(slot, of: node)
        while value == 0 && slot < 63 {
          slot &+= 1
          value = nodes.slot(slot, of: node)
          index = Self.advanced(index, to: slot, at: level)
        }
        if value == 0 { break search }
        if level == 0 { return (index, value) }
        node = nodes.unpacked(value)
        level &-= 1
      }
      // The node has nothing behind the index: go on behind its whole range.
      let shift = UInt64(level &+ 1) &* 6
      index = ((index >> shift) &+ 1) << shift
    }
    return nil
  }

  /// Traps unless counts and height are as they should and no node is empty.
  public func checkInvariants<Nodes: RadixNodes>(in nodes: Nodes) where Nodes.Node == Node {
    guard let root else {
      precondition(count == 0 && levelCount == 0, "an empty tree that counts something")
      return
    }
    precondition(checkNode(root, level: levelCount - 1, in: nodes) == count, "the count is wrong")
    if levelCount > 1 {
      let isOnlyFirst = nodes.occupiedCount(of: root) == 1 && nodes.slot(0, of: root) != 0
      precondition(!isOnlyFirst, "higher than necessary")
    }
  }

  // Nodes

  func reaches(_ index: UInt64) -> Bool {
    index >> (UInt64(levelCount) &* 6) == 0
  }

  static func slotIndex(_ index: UInt64, at level: UInt8) -> Int {
    Int(truncatingIfNeeded: index >> (UInt64(level) &* 6)) & 63
  }

  /// The first index that goes through a slot of the node that `index` goes through.
  static func advanced(_ index: UInt64, to slot: Int, at level: UInt8) -> UInt64 {
    let shift = UInt64(level) &* 6
    return ((index >> shift & ~63) | UInt64(slot)) << shift
  }

  /// The root, after the tree has become high enough for an index.
  private mutating func grownRoot<Nodes: RadixNodes>(
    for index: UInt64, in nodes: Nodes
  ) throws(Nodes.Failure) -> Node where Nodes.Node == Node {
    guard var top = root else {
      let node = try nodes.makeNode()
      root = node
      levelCount = 1
      while !reaches(index) { levelCount += 1 }
      return node
    }
    while !reaches(index) {
      let node = try nodes.makeNode()
      nodes.setSlot(0, of: node, to: nodes.packed(top))
      nodes.setOccupiedCount(of: node, to: 1)
      if nodes.marks(of: top) != 0 { nodes.setMarks(of: node, to: 1) }
      root = node
      top = node
      levelCount += 1
    }
    return top
  }

  /// The node in a slot, made if there is none.
  private func child<Nodes: RadixNodes>(
    _ slot: Int, of node: Node, in nodes: Nodes
  ) throws(Nodes.Failure) -> Node where Nodes.Node == Node {
    let value = nodes.slot(slot, of: node)
    if value != 0 { return nodes.unpacked(value) }
    let child = try nodes.makeNode()
    nodes.setSlot(slot, of: node, to: nodes.packed(child))
    nodes.setOccupiedCount(of: node, to: nodes.occupiedCount(of: node) &+ 1)
    return child
  }

  /// Gives back the nodes on the way to an index that have become empty, and roots that only
  /// lead to slot 0.
  private mutating func prune<Nodes: RadixNodes>(along index: UInt64, in nodes: Nodes)
  where Nodes.Node == Node {
    guard let root else { return }
    if reaches(index), pruneChild(of: root, along: index, at: levelCount &- 1, in: nodes) {
      nodes.freeNode(root)
      self.root = nil
      levelCount = 0
    }
    while levelCount > 1, let top = self.root, nodes.occupiedCount(of: top) == 1 {
      let value = nodes.slot(0, of: top)
      if value == 0 { return }
      nodes.freeNode(top)
      self.root = nodes.unpacked(value)
      levelCount &-= 1
    }
  }

  /// Prunes below a node; true if the node itself is empty now.
  private func pruneChild<Nodes: RadixNodes>(
    of node: Node, along index: UInt64, at level: UInt8, in nodes: Nodes
  ) -> Bool where Nodes.Node == Node {
    if level > 0 {
      let slot = Self.slotIndex(index, at: level)
      let value = nodes.slot(slot, of: node)
      if value != 0 {
        let child = nodes.unpacked(value)
        if pruneChild(of: child, along: index, at: level &- 1, in: nodes) {
          nodes.freeNode(child)
          nodes.setSlot(slot, of: node, to: 0)
          nodes.setOccupiedCount(of: node, to: nodes.occupiedCount(of: node) &- 1)
        }
      }
    }
    return nodes.occupiedCount(of: node) == 0
  }

  private func checkNode<Nodes: RadixNodes>(
    _ node: Node, level: UInt8, in nodes: Nodes
  ) -> Int where Nodes.Node == Node {
    var occupied = 0
    var entries = 0
    for slot in 0..<64 {
      let value = nodes.slot(slot, of: node)
      let isMarked = nodes.marks(of: node) >> UInt64(slot) & 1 != 0
      if value == 0 {
        precondition(!isMarked, "nothing is marked")
        continue
      }
      occupied += 1
      entries += level == 0 ? 1 : checkNode(nodes.unpacked(value), level: level - 1, in: nodes)
      precondition(
        level == 0 || isMarked == (nodes.marks(of: nodes.unpacked(value)) != 0),
        "a mark that does not lead to one")
    }
    precondition(occupied == Int(nodes.occupiedCount(of: node)), "a node counts wrongly")
    precondition(occupied > 0, "a node is empty")
    return entries
  }
}
