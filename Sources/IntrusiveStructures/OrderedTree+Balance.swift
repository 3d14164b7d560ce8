// SPDX-License-Identifier: Apache-2.0

extension OrderedTree {
  static func leftmost<Links: TreeLinks>(below node: Node, in links: Links) -> Node
  where Links.Node == Node {
    var node = node
    while let left = links.left(of: node) { node = left }
    return node
  }

  static func rightmost<Links: TreeLinks>(below node: Node, in links: Links) -> Node
  where Links.Node == Node {
    var node = node
    while let right = links.right(of: node) { node = right }
    return node
  }

  /// The leaf that a walk of children before parents begins with.
  static func deepest<Links: TreeLinks>(below node: Node, in links: Links) -> Node
  where Links.Node == Node {
    var node = node
    while let child = links.left(of: node) ?? links.right(of: node) { node = child }
    return node
  }

  /// Hangs a new leaf below a node (nil: as the root of an empty tree).
  ///
  /// - Parameter changed: a node on the way up whose own fields have changed.
  mutating func attach<Links: TreeLinks>(
    _ node: Node, below parent: Node?, isLeft: Bool, changed: Node? = nil, in links: Links
  ) where Links.Node == Node {
    links.setLeft(of: node, to: nil)
    links.setRight(of: node, to: nil)
    links.setParent(of: node, to: parent)
    links.setHeight(of: node, to: 1)
    if let parent {
      if isLeft {
        links.setLeft(of: parent, to: node)
      } else {
        links.setRight(of: parent, to: node)
      }
    } else {
      root = node
    }
    count += 1
    _ = links.update(node)
    rebalance(from: parent, atLeastThrough: changed, in: links)
  }

  /// Takes the successor of a node with two children out of its place, gives it the node's
  /// right subtree, and returns the lowest node whose subtree has changed.
  func detachHeir<Links: TreeLinks>(_ heir: Node, of node: Node, in links: Links) -> Node
  where Links.Node == Node {
    guard let parent = links.parent(of: heir), parent != node,
      let nodesRight = links.right(of: node)
    else { return heir }
    let orphan = links.right(of: heir)
    links.setLeft(of: parent, to: orphan)
    if let orphan { links.setParent(of: orphan, to: parent) }
    links.setRight(of: heir, to: nodesRight)
    links.setParent(of: nodesRight, to: heir)
    return parent
  }

  /// Makes a node's parent (nil: the tree) point to another node, and that one to the parent.
  mutating func replaceChild<Links: TreeLinks>(
    _ old: Node, with new: Node?, below parent: Node?, in links: Links
  ) where Links.Node == Node {
    if let new { links.setParent(of: new, to: parent) }
    guard let parent else {
      root = new
      return
    }
    if links.left(of: parent) == old {
      links.setLeft(of: parent, to: new)
    } else {
      links.setRight(of: parent, to: new)
    }
  }

  func clear<Links: TreeLinks>(_ node: Node, in links: Links) where Links.Node == Node {
    links.setLeft(of: node, to: nil)
    links.setRight(of: node, to: nil)
    links.setParent(of: node, to: nil)
    links.setHeight(of: node, to: 0)
  }

  /// Restores heights, balance and what nodes remember, from a node upwards, until nothing
  /// changes any more.
  ///
  /// - Parameter last: a node on the way before which the walk may not end, since what it
  ///   remembers says nothing about its present place.
  mutating func rebalance<Links: TreeLinks>(
    from start: Node?, atLeastThrough last: Node?, in links: Links
  ) where Links.Node == Node {
    var isFinal = last == nil
    var next = start
    while let node = next {
      if node == last { isFinal = true }
      let parent = links.parent(of: node)
      next = parent
      let leftHeight = Self.height(links.left(of: node), in: links)
      let rightHeight = Self.height(links.right(of: node), in: links)
      if leftHeight > rightHeight &+ 1 {
        lowerLeft(node, in: links)
        continue
      }
      if rightHeight > leftHeight &+ 1 {
        lowerRight(node, in: links)
        continue
      }
      let height = max(leftHeight, rightHeight) &+ 1
      let hasNewHeight = height != links.height(of: node)
      if hasNewHeight { links.setHeight(of: node, to: height) }
      let hasNewMemory = links.update(node)
      if isFinal && !hasNewHeight && !hasNewMemory && node != last { return }
    }
  }

  static func height<Links: TreeLinks>(_ node: Node?, in links: Links) -> UInt8
  where Links.Node == Node {
    guard let node else { return 0 }
    return links.height(of: node)
  }

  /// Lowers a node whose left side is too high.
  mutating func lowerLeft<Links: TreeLinks>(_ node: Node, in links: Links)
  where Links.Node == Node {
    guard let left = links.left(of: node) else { return }
    let inner = Self.height(links.right(of: left), in: links)
    let outer = Self.height(links.left(of: left), in: links)
    if inner > outer { rotateLeft(left, in: links) }
    rotateRight(node, in: links)
  }

  /// Lowers a node whose right side is too high.
  mutating func lowerRight<Links: TreeLinks>(_ node: Node, in links: Links)
  where Links.Node == Node {
    guard let right = links.right(of: node) else { return }
    let inner = Self.height(links.left(of: right), in: links)
    let outer = Self.height(links.right(of: right), in: links)
    if inner > outer { rotateRight(right, in: links) }
    rotateLeft(node, in: links)
  }

  /// Puts a node below its right child.
  mutating func rotateLeft<Links: TreeLinks>(_ node: Node, in links: Links)
  where Links.Node == Node {
    guard let top = links.right(of: node) else { return }
    let middle = links.left(of: top)
    replaceChild(node, with: top, below: links.parent(of: node), in: links)
    links.setRight(of: node, to: middle)
    if let middle { links.setParent(of: middle, to: node) }
    links.setLeft(of: top, to: node)
    links.setParent(of: node, to: top)
    remeasure(node, in: links)
    remeasure(top, in: links)
  }

  /// Puts a node below its left child.
  mutating func rotateRight<Links: TreeLinks>(_ node: Node, in links: Links)
  where Links.Node == Node {
    guard let top = links.left(of: node) else { return }
    let middle = links.right(of: top)
    replaceChild(node, with: top, below: links.parent(of: node), in: links)
    links.setLeft(of: node, to: middle)
    if let middle { links.setParent(of: middle, to: node) }
    links.setRight(of: top, to: node)
    links.setParent(of: node, to: top)
    remeasure(node, in: links)
    remeasure(top, in: links)
  }

  func remeasure<Links: TreeLinks>(_ node: Node, in links: Links) where Links.Node == Node {
    let leftHeight = Self.height(links.left(of: node), in: links)
    let rightHeight = Self.height(links.right(of: node), in: links)
    links.setHeight(of: node, to: max(leftHeight, rightHeight) &+ 1)
    _ = links.update(node)
  }

  /// Traps unless parents, heights, balance, count and what nodes remember are as they should.
  public func checkInvariants<Links: TreeLinks>(in links: Links) where Links.Node == Node {
    if let root { precondition(links.parent(of: root) == nil, "the root has a parent") }
    precondition(checkSubtree(root, in: links).count == count, "the count is wrong")
  }

  private func checkSubtree<Links: TreeLinks>(
    _ node: Node?, in links: Links
  ) -> (height: UInt8, count: Int) where Links.Node == Node {
    guard let node else { return (0, 0) }
    let left = links.left(of: node)
    let right = links.right(of: node)
    if let left { precondition(links.parent(of: left) == node, "a left child's parent") }
    if let right { precondition(links.parent(of: right) == node, "a right child's parent") }
    let below = checkSubtree(left, in: links)
    let above = checkSubtree(right, in: links)
    let height = max(below.height, above.height) + 1
    precondition(links.height(of: node) == height, "a height is wrong")
    precondition(below.height <= above.height + 1, "too high on the left")
    precondition(above.height <= below.height + 1, "too high on the right")
    precondition(!links.update(node), "what a node remembers is wrong")
    return (height, below.count + above.count + 1)
  }
}
