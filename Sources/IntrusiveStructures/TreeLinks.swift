// SPDX-License-Identifier: Apache-2.0

/// Where the links of a tree's nodes are kept: in the nodes themselves.
///
/// A storage is a reference (for heap objects a struct that holds the heap), so its setters do
/// not mutate it. A node that is in two trees has two storages, one for each set of links.
///
/// Linux: `struct rb_node` inside each node, `struct rb_augment_callbacks`.
public protocol TreeLinks<Node> {
  associatedtype Node: Equatable & BitwiseCopyable

  func left(of node: Node) -> Node?
  func right(of node: Node) -> Node?
  func parent(of node: Node) -> Node?
  /// The levels of the subtree below and with the node; the tree keeps it.
  func height(of node: Node) -> UInt8

  func setLeft(of node: Node, to child: Node?)
  func setRight(of node: Node, to child: Node?)
  func setParent(of node: Node, to parent: Node?)
  func setHeight(of node: Node, to height: UInt8)

  /// Computes anew what the node remembers about its subtree, from its own fields and what its
  /// two children remember; true if that changed. The tree calls it from the bottom up.
  ///
  /// - Complexity: O(1) is expected.
  func update(_ node: Node) -> Bool
}

extension TreeLinks {
  /// For trees that remember nothing.
  public func update(_ node: Node) -> Bool { false }
}

/// Where a search goes on from a node.
public enum TreeStep: Sendable {
  /// To the smaller nodes.
  case left
  /// To the larger nodes.
  case right
  /// Nowhere: the node is the one.
  case here
}
