// SPDX-License-Identifier: Apache-2.0

/// Marks on entries, found again in order without a look at the others: a page cache marks what
/// has to be written.
///
/// Linux: `xa_set_mark()`, `xa_clear_mark()`, `xas_find_marked()`, with one mark.
extension RadixTree {
  /// Marks the entry at an index.
  ///
  /// - Precondition: there is one.
  /// - Complexity: O(log64 of the largest index).
  public func mark<Nodes: RadixNodes>(at index: UInt64, in nodes: Nodes)
  where Nodes.Node == Node {
    guard var node = top, reaches(index) else { preconditionFailure("a mark on nothing") }
    var level = height &- 1
    while true {
      let slot = Self.slotIndex(index, at: level)
      let value = nodes.slot(slot, of: node)
      precondition(value != 0, "a mark on nothing")
      nodes.setMarks(of: node, to: nodes.marks(of: node) | 1 << UInt64(slot))
      if level == 0 { return }
      node = nodes.unpacked(value)
      level &-= 1
    }
  }

  /// Takes the mark from the entry at an index, if there is one.
  public func unmark<Nodes: RadixNodes>(at index: UInt64, in nodes: Nodes)
  where Nodes.Node == Node {
    guard let top, reaches(index) else { return }
    _ = unmark(below: top, at: index, level: height &- 1, in: nodes)
  }

  /// The first marked entry at an index or behind it.
  ///
  /// - Complexity: O(log64 of the largest index).
  public func nextMarked<Nodes: RadixNodes>(
    from start: UInt64, in nodes: Nodes
  ) -> (index: UInt64, entry: UInt32)? where Nodes.Node == Node {
    guard let top, reaches(start) else { return nil }
    return nextMarked(below: top, from: start, level: height &- 1, in: nodes)
  }

  /// - Returns: whether the node has no mark any more.
  private func unmark<Nodes: RadixNodes>(
    below node: Node, at index: UInt64, level: UInt8, in nodes: Nodes
  ) -> Bool where Nodes.Node == Node {
    let slot = Self.slotIndex(index, at: level)
    let value = nodes.slot(slot, of: node)
    if value == 0 { return false }
    if level > 0 {
      let child = nodes.unpacked(value)
      guard unmark(below: child, at: index, level: level &- 1, in: nodes) else { return false }
    }
    let left = nodes.marks(of: node) & ~(1 << UInt64(slot))
    nodes.setMarks(of: node, to: left)
    return left == 0
  }

  private func nextMarked<Nodes: RadixNodes>(
    below node: Node, from start: UInt64, level: UInt8, in nodes: Nodes
  ) -> (index: UInt64, entry: UInt32)? where Nodes.Node == Node {
    let first = Self.slotIndex(start, at: level)
    var left = nodes.marks(of: node) & (UInt64.max << UInt64(first))
    while left != 0 {
      let slot = left.trailingZeroBitCount
      left &= left &- 1
      // Later slots begin at their own first index, not at `start`.
      let index = slot == first ? start : Self.advanced(start, to: slot, at: level)
      let value = nodes.slot(slot, of: node)
      if level == 0 { return (index, value) }
      if let found = nextMarked(
        below: nodes.unpacked(value), from: index, level: level &- 1, in: nodes)
      {
        return found
      }
    }
    return nil
  }
}
