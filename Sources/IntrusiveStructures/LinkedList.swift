// SPDX-License-Identifier: Apache-2.0

/// Where the links of a list's members are kept: in the members themselves.
///
/// A storage is a reference, so its setters do not mutate it. The same list code serves frames
/// (links are frame numbers), heap objects (links are references) and tables.
///
/// Linux: `struct list_head` inside each member.
public protocol ListLinks<Node> {
  associatedtype Node: Equatable & BitwiseCopyable

  func next(of node: Node) -> Node?
  func previous(of node: Node) -> Node?
  func setNext(of node: Node, to next: Node?)
  func setPrevious(of node: Node, to previous: Node?)
}

/// A list that runs both ways through its members and allocates nothing.
///
/// A node is in at most one list per links storage; the list does not check that.
///
/// Linux: `list_add()`, `list_add_tail()`, `list_del()`.
public struct LinkedList<Node: Equatable & BitwiseCopyable>: BitwiseCopyable {
  public private(set) var first: Node?
  public private(set) var last: Node?
  public private(set) var count = 0

  public init() {}

  public var isEmpty: Bool { first == nil }

  /// Makes a node the first. Linux: `list_add()`.
  ///
  /// - Precondition: it is in no list.
  public mutating func pushFront<Links: ListLinks>(_ node: Node, in links: Links)
  where Links.Node == Node {
    links.setPrevious(of: node, to: nil)
    links.setNext(of: node, to: first)
    if let first { links.setPrevious(of: first, to: node) } else { last = node }
    first = node
    count += 1
  }

  /// Makes a node the last. Linux: `list_add_tail()`.
  ///
  /// - Precondition: it is in no list.
  public mutating func pushBack<Links: ListLinks>(_ node: Node, in links: Links)
  where Links.Node == Node {
    links.setNext(of: node, to: nil)
    links.setPrevious(of: node, to: last)
    if let last { links.setNext(of: last, to: node) } else { first = node }
    last = node
    count += 1
  }

  /// - Precondition: `place` is in this list.
  public mutating func insert<Links: ListLinks>(_ node: Node, after place: Node, in links: Links)
  where Links.Node == Node {
    guard let next = links.next(of: place) else { return pushBack(node, in: links) }
    links.setPrevious(of: node, to: place)
    links.setNext(of: node, to: next)
    links.setNext(of: place, to: node)
    links.setPrevious(of: next, to: node)
    count += 1
  }

  /// Takes a node out; its links become nil.
  ///
  /// - Precondition: `node` is in this list.
  public mutating func remove<Links: ListLinks>(_ node: Node, in links: Links)
  where Links.Node == Node {
    let next = links.next(of: node)
    let previous = links.previous(of: node)
    if let previous { links.setNext(of: previous, to: next) } else { first = next }
    if let next { links.setPrevious(of: next, to: previous) } else { last = previous }
    links.setNext(of: node, to: nil)
    links.setPrevious(of: node, to: nil)
    count -= 1
  }

  /// Takes the first node out, nil if there is none.
  public mutating func popFront<Links: ListLinks>(in links: Links) -> Node?
  where Links.Node == Node {
    guard let first else { return nil }
    remove(first, in: links)
    return first
  }

  /// Takes the last node out, nil if there is none.
  public mutating func popBack<Links: ListLinks>(in links: Links) -> Node?
  where Links.Node == Node {
    guard let last else { return nil }
    remove(last, in: links)
    return last
  }

  /// Makes a member the first, and what was before it the end. Linux: `list_rotate_to_front()`.
  ///
  /// - Precondition: `node` is in this list.
  /// - Complexity: O(1).
  public mutating func rotate<Links: ListLinks>(toFront node: Node, in links: Links)
  where Links.Node == Node {
    guard let before = links.previous(of: node), let first, let last else { return }
    links.setNext(of: last, to: first)
    links.setPrevious(of: first, to: last)
    links.setNext(of: before, to: nil)
    links.setPrevious(of: node, to: nil)
    self.first = node
    self.last = before
  }

  /// Moves all members of another list to this one's end.
  ///
  /// - Complexity: O(1).
  public mutating func append<Links: ListLinks>(_ other: inout LinkedList, in links: Links)
  where Links.Node == Node {
    guard let otherFirst = other.first else { return }
    links.setPrevious(of: otherFirst, to: last)
    if let last { links.setNext(of: last, to: otherFirst) } else { first = otherFirst }
    last = other.last
    count += other.count
    other = LinkedList()
  }

  /// Traps unless links, ends and count agree.
  public func checkInvariants<Links: ListLinks>(in links: Links) where Links.Node == Node {
    var found = 0
    var previous: Node?
    var node = first
    while let current = node {
      precondition(links.previous(of: current) == previous, "a link back is wrong")
      found += 1
      precondition(found <= count, "more members than counted")
      previous = current
      node = links.next(of: current)
    }
    precondition(previous == last, "the list does not end at its last member")
    precondition(found == count, "fewer members than counted")
  }
}
