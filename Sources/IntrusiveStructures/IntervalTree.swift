// SPDX-License-Identifier: Apache-2.0

/// The links of an interval tree, and the interval of each node.
public protocol IntervalLinks<Node>: TreeLinks {
  /// The first index that the node covers; fixed while it is in the tree.
  func firstIndex(of node: Node) -> UInt64
  /// The last index that the node covers, itself included.
  func lastIndex(of node: Node) -> UInt64
  /// The largest last index in the node's subtree; the tree keeps it.
  func subtreeLastIndex(of node: Node) -> UInt64
  func setSubtreeLastIndex(of node: Node, to index: UInt64)
}

extension IntervalLinks {
  public func update(_ node: Node) -> Bool {
    var largest = lastIndex(of: node)
    if let left = left(of: node) { largest = max(largest, subtreeLastIndex(of: left)) }
    if let right = right(of: node) { largest = max(largest, subtreeLastIndex(of: right)) }
    if largest == subtreeLastIndex(of: node) { return false }
    setSubtreeLastIndex(of: node, to: largest)
    return true
  }
}

/// Intervals of indices, of which those that overlap a range are found quickly: the reverse map.
///
/// Nodes are ordered by first index; equal ones by the time of their insertion, so that every
/// walk has one order.
///
/// Linux: `struct rb_root_cached` with `interval_tree_insert()`, `interval_tree_iter_first()`.
public struct IntervalTree<Node: Equatable & BitwiseCopyable>: BitwiseCopyable {
  public private(set) var tree = OrderedTree<Node>()

  public init() {}

  public var isEmpty: Bool { tree.isEmpty }
  public var count: Int { tree.count }

  /// - Complexity: O(log n).
  public mutating func insert<Links: IntervalLinks>(_ node: Node, in links: Links)
  where Links.Node == Node {
    let first = links.firstIndex(of: node)
    tree.insert(node, in: links) { first < links.firstIndex(of: $0) }
  }

  /// - Precondition: `node` is in this tree.
  /// - Complexity: O(log n).
  public mutating func remove<Links: IntervalLinks>(_ node: Node, in links: Links)
  where Links.Node == Node {
    tree.remove(node, in: links)
  }

  /// Tells the tree that a node's last index has changed.
  public mutating func refresh<Links: IntervalLinks>(_ node: Node, in links: Links)
  where Links.Node == Node {
    tree.refresh(node, in: links)
  }

  /// The first node that overlaps a range. Linux: `interval_tree_iter_first()`.
  ///
  /// - Complexity: O(log n).
  public func firstOverlap<Links: IntervalLinks>(
    from first: UInt64, through last: UInt64, in links: Links
  ) -> Node? where Links.Node == Node {
    guard let root = tree.root, links.subtreeLastIndex(of: root) >= first else { return nil }
    return firstOverlap(below: root, from: first, through: last, in: links)
  }

  /// The next node behind one that overlaps the same range. Linux: `interval_tree_iter_next()`.
  ///
  /// - Complexity: O(log n).
  public func nextOverlap<Links: IntervalLinks>(
    after node: Node, from first: UInt64, through last: UInt64, in links: Links
  ) -> Node? where Links.Node == Node {
    if let right = links.right(of: node), links.subtreeLastIndex(of: right) >= first {
      return firstOverlap(below: right, from: first, through: last, in: links)
    }
    var child = node
    while let parent = links.parent(of: child) {
      if links.left(of: parent) == child {
        if links.firstIndex(of: parent) > last { return nil }
        if links.lastIndex(of: parent) >= first { return parent }
        if let right = links.right(of: parent), links.subtreeLastIndex(of: right) >= first {
          return firstOverlap(below: right, from: first, through: last, in: links)
        }
      }
      child = parent
    }
    return nil
  }

  /// Visits all nodes that overlap a range, in order. The body may remove the node it is given.
  ///
  /// - Complexity: O(log n + m log n) for m nodes found.
  public func forEachOverlap<Links: IntervalLinks, Failure: Error>(
    from first: UInt64, through last: UInt64, in links: Links,
    _ body: (Node) throws(Failure) -> Void
  ) throws(Failure) where Links.Node == Node {
    var next = firstOverlap(from: first, through: last, in: links)
    while let node = next {
      next = nextOverlap(after: node, from: first, through: last, in: links)
      try body(node)
    }
  }

  /// - Precondition: something in the subtree ends at or behind `first`.
  private func firstOverlap<Links: IntervalLinks>(
    below top: Node, from first: UInt64, through last: UInt64, in links: Links
  ) -> Node? where Links.Node == Node {
    var node = top
    while true {
      if let left = links.left(of: node), links.subtreeLastIndex(of: left) >= first {
        // If none of those begins in time, none further right does.
        node = left
        continue
      }
      if links.firstIndex(of: node) > last { return nil }
      if links.lastIndex(of: node) >= first { return node }
      guard let right = links.right(of: node), links.subtreeLastIndex(of: right) >= first else {
        return nil
      }
      node = right
    }
  }

  /// Traps unless balance, order and subtree ends are as they should.
  public func checkInvariants<Links: IntervalLinks>(in links: Links) where Links.Node == Node {
    tree.checkInvariants(in: links)
    var next = tree.first(in: links)
    var previous: UInt64 = 0
    while let node = next {
      precondition(previous <= links.firstIndex(of: node), "out of order")
      precondition(links.firstIndex(of: node) <= links.lastIndex(of: node), "ends before it begins")
      previous = links.firstIndex(of: node)
      next = tree.next(after: node, in: links)
    }
  }
}
