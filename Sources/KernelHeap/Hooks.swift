// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures

/// The neighbours of an object in a list. Linux: `struct list_head`.
public struct ListHook<Object>: BitwiseCopyable, Sendable {
  public fileprivate(set) var next = Link<Object>.none
  public fileprivate(set) var previous = Link<Object>.none

  /// Of an object that is in no list.
  public init() {}
}

/// Links of a list that are in a hook of its members: a conforming type says only in which.
public protocol ListHooks<Object>: ListLinks where Node == Reference<Object> {
  associatedtype Object

  func hook(of node: Reference<Object>) -> ListHook<Object>
  /// Lets the body change the hook in its place.
  func withHook(of node: Reference<Object>, _ body: (inout ListHook<Object>) -> Void)
}

extension ListHooks {
  public func next(of node: Reference<Object>) -> Reference<Object>? {
    hook(of: node).next.reference
  }
  public func previous(of node: Reference<Object>) -> Reference<Object>? {
    hook(of: node).previous.reference
  }
  public func setNext(of node: Reference<Object>, to next: Reference<Object>?) {
    withHook(of: node) { $0.next = Link(next) }
  }
  public func setPrevious(of node: Reference<Object>, to previous: Reference<Object>?) {
    withHook(of: node) { $0.previous = Link(previous) }
  }
}

/// The place of an object in a tree. Linux: `struct rb_node`.
public struct TreeHook<Object>: BitwiseCopyable, Sendable {
  public fileprivate(set) var left = Link<Object>.none
  public fileprivate(set) var right = Link<Object>.none
  public fileprivate(set) var parent = Link<Object>.none
  public fileprivate(set) var height: UInt8 = 0

  /// Of an object that is in no tree.
  public init() {}
}

/// Links of a tree that are in a hook of its nodes: a conforming type says only in which.
public protocol TreeHooks<Object>: TreeLinks where Node == Reference<Object> {
  associatedtype Object

  func hook(of node: Reference<Object>) -> TreeHook<Object>
  /// Lets the body change the hook in its place.
  func withHook(of node: Reference<Object>, _ body: (inout TreeHook<Object>) -> Void)
}

extension TreeHooks {
  public func left(of node: Reference<Object>) -> Reference<Object>? {
    hook(of: node).left.reference
  }
  public func right(of node: Reference<Object>) -> Reference<Object>? {
    hook(of: node).right.reference
  }
  public func parent(of node: Reference<Object>) -> Reference<Object>? {
    hook(of: node).parent.reference
  }
  public func height(of node: Reference<Object>) -> UInt8 { hook(of: node).height }
  public func setLeft(of node: Reference<Object>, to child: Reference<Object>?) {
    withHook(of: node) { $0.left = Link(child) }
  }
  public func setRight(of node: Reference<Object>, to child: Reference<Object>?) {
    withHook(of: node) { $0.right = Link(child) }
  }
  public func setParent(of node: Reference<Object>, to parent: Reference<Object>?) {
    withHook(of: node) { $0.parent = Link(parent) }
  }
  public func setHeight(of node: Reference<Object>, to height: UInt8) {
    withHook(of: node) { $0.height = height }
  }
}
