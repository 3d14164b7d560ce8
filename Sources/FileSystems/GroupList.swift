// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import Machine

/// Some groups of a task, and a link to the others; what it says never changes.
///
/// Linux: `struct group_info`.
public struct GroupList: HeapObject {
  public static var cacheName: StaticString { "group_info" }
  public static var cacheIndex: Int { 22 }

  /// Tasks that share it; 1 in all but the first of a chain.
  public var users: UInt32 = 1
  public var count: UInt32 = 0
  public var next = Link<GroupList>(nil)
  private var groups = InlineArray<29, UInt32>(repeating: 0)

  public init() {}

  public static var capacity: UInt32 { 29 }

  /// By the bytes: an element of the array would copy the array.
  public mutating func group(at index: UInt32) -> UInt32 {
    withMemoryBlock(over: &groups) { $0.load(UInt32.self, at: Int(index) * 4) }
  }

  /// Adds one. Precondition: there is room.
  public mutating func append(_ group: UInt32) {
    groups[Int(count)] = group
    count += 1
  }
}
