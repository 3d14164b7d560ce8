// SPDX-License-Identifier: Apache-2.0

/// What a tree of ranges remembers about the room between them, in units of its own.
public struct Gaps: BitwiseCopyable, Sendable {
  /// Between the range before this one, or the beginning, and this one.
  public var before: UInt64 = 0
  /// The largest `before` of the subtree; the tree keeps it.
  public var largest: UInt64 = 0

  public init() {}
}

/// The links of a tree of ranges in which room is found in O(log n).
///
/// Linux: `rb_subtree_gap` of areas, before the maple tree.
public protocol GapLinks<Node>: TreeLinks {
  func gaps(of node: Node) -> Gaps
  /// Lets the body change them in their place.
  func withGaps(of node: Node, _ body: (inout Gaps) -> Void)
}

extension GapLinks {
  public func update(_ node: Node) -> Bool {
    let own = gaps(of: node)
    var largest = own.before
    if let left = left(of: node) { largest = max(largest, gaps(of: left).largest) }
    if let right = right(of: node) { largest = max(largest, gaps(of: right).largest) }
    if largest == own.largest { return false }
    withGaps(of: node) { $0.largest = largest }
    return true
  }
}
