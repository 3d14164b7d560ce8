// SPDX-License-Identifier: Apache-2.0

/// A balanced search tree through its nodes, which allocates nothing and knows no keys.
///
/// Order is what insertions make of it; searches and insertions are told by closures which way
/// to go. The heights of two siblings differ by at most one (an AVL tree), so that no path is
/// longer than 1.44 times the logarithm of the count.
///
/// Linux: `struct rb_root`, `rb_insert_augmented()`, `rb_erase_augmented()`.
/// Source: Adelson-Velsky and Landis, 1962.
public struct OrderedTree<Node: Equatable & BitwiseCopyable>: BitwiseCopyable {
  /// The topmost node, for descents of the caller's own (a search by what `update` maintains).
  public internal(set) var root: Node?
  public internal(set) var count = 0

  public init() {}

  public var isEmpty: Bool { root == nil }

  // Searching

  /// The smallest node. Linux: `rb_first()`.
  public func first<Links: TreeLinks>(in links: Links) -> Node? where Links.Node == Node {
    guard let root else { return nil }
    return Self.leftmost(below: root, in: links)
  }

  /// The largest node. Linux: `rb_last()`.
  public func last<Links: TreeLinks>(in links: Links) -> Node? where Links.Node == Node {
    guard let root else { return nil }
    return Self.rightmost(below: root, in: links)
  }

  /// The next larger node. Linux: `rb_next()`.
  ///
  /// - Complexity: O(log n), O(1) on average over a walk.
  public func next<Links: TreeLinks>(after node: Node, in links: Links) -> Node?
  where Links.Node == Node {
    if let right = links.right(of: node) { return Self.leftmost(below: right, in: links) }
    var child = node
    while let parent = links.parent(of: child) {
      if links.left(of: parent) == child { return parent }
      child = parent
    }
    return nil
  }

  /// The next smaller node. Linux: `rb_prev()`.
  ///
  /// - Complexity: O(log n), O(1) on average over a walk.
  public func previous<Links: TreeLinks>(before node: Node, in links: Links) -> Node?
  where Links.Node == Node {
    if let left = links.left(of: node) { return Self.rightmost(below: left, in: links) }
    var child = node
    while let parent = links.parent(of: child) {
      if links.right(of: parent) == child { return parent }
      child = parent
    }
    return nil
  }

  /// The node at which the closure says `.here`. Linux: `rb_find()`.
  public func find<Links: TreeLinks, Failure: Error>(
    in links: Links, _ step: (Node) throws(Failure) -> TreeStep
  ) throws(Failure) -> Node? where Links.Node == Node {
    var node = root
    while let current = node {
      switch try step(current) {
      case .left: node = links.left(of: current)
      case .right: node = links.right(of: current)
      case .here: return current
      }
    }
    return nil
  }

  /// The smallest node that satisfies a condition.
  ///
  /// - Precondition: all nodes above a satisfying one satisfy it too.
  public func first<Links: TreeLinks>(in links: Links, where condition: (Node) -> Bool) -> Node?
  where Links.Node == Node {
    var found: Node?
    var node = root
    while let current = node {
      if condition(current) {
        found = current
        node = links.left(of: current)
      } else {
        node = links.right(of: current)
      }
    }
    return found
  }

  /// The largest node that satisfies a condition.
  ///
  /// - Precondition: all nodes below a satisfying one satisfy it too.
  public func last<Links: TreeLinks>(in links: Links, where condition: (Node) -> Bool) -> Node?
  where Links.Node == Node {
    var found: Node?
    var node = root
    while let current = node {
      if condition(current) {
        found = current
        node = links.right(of: current)
      } else {
        node = links.left(of: current)
      }
    }
    return found
  }

  // Changing

  /// Inserts a node: left of the nodes for which the closure says that it precedes them, so
  /// behind those that equal it. Linux: `rb_add()`.
  ///
  /// - Complexity: O(log n).
  public mutating func insert<Links: TreeLinks>(
    _ node: Node, in links: Links, precedes: (Node) -> Bool
  ) where Links.Node == Node {
    var place: Node?
    var isLeft = false
    var next = root
    while let current = next {
      place = current
      isLeft = precedes(current)
      next = isLeft ? links.left(of: current) : links.right(of: current)
    }
    attach(node, below: place, isLeft: isLeft, in: links)
  }

  /// Where a node belongs: behind those of which the closure does not say that it precedes them.
  ///
  /// - Complexity: O(log n).
  public func place<Links: TreeLinks>(
    in links: Links, precedes: (Node) -> Bool
  ) -> TreePlace<Node> where Links.Node == Node {
    var place = TreePlace<Node>()
    var next = root
    while let current = next {
      if precedes(current) {
        place.upper = current
        next = links.left(of: current)
      } else {
        place.lower = current
        next = links.right(of: current)
      }
    }
    return place
  }

  /// Inserts a node at its place; what the next larger one remembers of itself may have changed
  /// too, so that one walk upwards does for both.
  ///
  /// - Precondition: the tree has not changed since it was asked for the place.
  /// - Complexity: O(log n).
  public mutating func insert<Links: TreeLinks>(
    _ node: Node, at place: TreePlace<Node>, in links: Links
  ) where Links.Node == Node {
    // Of the two neighbours the lower one is deeper if it has nothing to its right.
    if let lower = place.lower, links.right(of: lower) == nil {
      attach(node, below: lower, isLeft: false, changed: place.upper, in: links)
    } else {
      attach(node, below: place.upper, isLeft: true, changed: place.upper, in: links)
    }
  }

  /// Inserts a node next to one whose place is known.
  ///
  /// - Precondition: `place` is in this tree, or is nil and the node becomes the first.
  public mutating func insert<Links: TreeLinks>(
    _ node: Node, after place: Node?, in links: Links
  ) where Links.Node == Node {
    guard let place else {
      return attach(node, below: first(in: links), isLeft: true, in: links)
    }
    if let right = links.right(of: place) {
      attach(node, below: Self.leftmost(below: right, in: links), isLeft: true, in: links)
    } else {
      attach(node, below: place, isLeft: false, in: links)
    }
  }

  /// Takes a node out; its links become nil. Linux: `rb_erase()`.
  ///
  /// - Precondition: `node` is in this tree.
  /// - Complexity: O(log n).
  public mutating func remove<Links: TreeLinks>(_ node: Node, in links: Links)
  where Links.Node == Node {
    remove(node, changed: nil, in: links)
  }

  /// Takes a node out; what the next larger one remembers of itself has changed too.
  ///
  /// - Precondition: as for `remove`; `next` is the node after it.
  /// - Complexity: O(log n), in one walk.
  public mutating func remove<Links: TreeLinks>(
    _ node: Node, changed next: Node?, in links: Links
  ) where Links.Node == Node {
    let parent = links.parent(of: node)
    let left = links.left(of: node)
    let right = links.right(of: node)
    if let left, let right {
      let heir = Self.leftmost(below: right, in: links)
      let lowest = detachHeir(heir, of: node, in: links)
      links.setLeft(of: heir, to: left)
      links.setParent(of: left, to: heir)
      links.setHeight(of: heir, to: links.height(of: node))
      replaceChild(node, with: heir, below: parent, in: links)
      clear(node, in: links)
      rebalance(from: lowest, atLeastThrough: heir, in: links)
    } else {
      replaceChild(node, with: left ?? right, below: parent, in: links)
      clear(node, in: links)
      // To the right of it the next one is alone, otherwise above.
      let isBelow = next != nil && right == next
      rebalance(from: isBelow ? next : parent, atLeastThrough: next, in: links)
    }
    count -= 1
  }

  /// Takes all nodes out, each after its children, so that nothing is balanced meanwhile.
  ///
  /// Linux: `rbtree_postorder_for_each_entry_safe()`.
  ///
  /// - Parameter body: is given each node when its links are nil; the node may end there.
  /// - Complexity: O(n).
  public mutating func removeAll<Links: TreeLinks>(in links: Links, _ body: (Node) -> Void)
  where Links.Node == Node {
    var next = root.map { Self.deepest(below: $0, in: links) }
    root = nil
    count = 0
    while let node = next {
      next = links.parent(of: node)
      if let parent = next, links.left(of: parent) == node,
        let right = links.right(of: parent)
      {
        next = Self.deepest(below: right, in: links)
      }
      clear(node, in: links)
      body(node)
    }
  }

  /// Puts another node in a node's place; the caller vouches that the order still holds.
  ///
  /// Linux: `rb_replace_node()`.
  public mutating func replace<Links: TreeLinks>(
    _ node: Node, with other: Node, in links: Links
  ) where Links.Node == Node {
    let left = links.left(of: node)
    let right = links.right(of: node)
    links.setLeft(of: other, to: left)
    links.setRight(of: other, to: right)
    links.setHeight(of: other, to: links.height(of: node))
    if let left { links.setParent(of: left, to: other) }
    if let right { links.setParent(of: right, to: other) }
    replaceChild(node, with: other, below: links.parent(of: node), in: links)
    clear(node, in: links)
    rebalance(from: other, atLeastThrough: other, in: links)
  }

  /// Tells the tree that a node's own fields, from which `update` computes, have changed.
  public mutating func refresh<Links: TreeLinks>(_ node: Node, in links: Links)
  where Links.Node == Node {
    // Nothing above it computes anew where what it passes on is the same.
    guard links.update(node) else { return }
    rebalance(from: links.parent(of: node), atLeastThrough: nil, in: links)
  }
}

/// Where a node is to be inserted: between two neighbours, nil at either end.
public struct TreePlace<Node: Equatable & BitwiseCopyable>: BitwiseCopyable {
  public internal(set) var lower: Node?
  public internal(set) var upper: Node?

  init() {}
}
