// SPDX-License-Identifier: Apache-2.0

import MemoryUnits

/// When something is due; the sequence number decides between equal times, so that two runs
/// agree.
public struct QueueKey: Equatable, Comparable, Sendable, BitwiseCopyable {
  public var time: VirtualTime
  public var sequence: UInt64

  public init(time: VirtualTime, sequence: UInt64) {
    self.time = time
    self.sequence = sequence
  }

  public static func < (left: Self, right: Self) -> Bool {
    left.time == right.time ? left.sequence < right.sequence : left.time < right.time
  }
}

/// The places of a queue's entries; a reference, so its setter does not mutate it.
public protocol QueueSlots<Entry> {
  associatedtype Entry: BitwiseCopyable

  var capacity: Int { get }
  func entry(at position: Int) -> Entry
  /// Stores an entry; who wants to remove entries by position notes it here.
  func setEntry(_ entry: Entry, at position: Int)
  func key(of entry: Entry) -> QueueKey
}

/// What is due first, of a bounded number of entries: timers, disk completions.
///
/// A binary heap: no entry is due before the one at half its position.
///
/// Linux: `struct timerqueue_head`, `lib/min_heap`.
public struct PriorityQueue: BitwiseCopyable, Sendable {
  public private(set) var count = 0

  public init() {}

  public var isEmpty: Bool { count == 0 }

  /// The entry that is due first.
  public func first<Slots: QueueSlots>(in slots: Slots) -> Slots.Entry? {
    count == 0 ? nil : slots.entry(at: 0)
  }

  /// Adds an entry; false if there is no place left.
  ///
  /// - Complexity: O(log n).
  public mutating func insert<Slots: QueueSlots>(_ entry: Slots.Entry, in slots: Slots) -> Bool {
    guard count < slots.capacity else { return false }
    count += 1
    rise(entry, from: count - 1, in: slots)
    return true
  }

  /// Takes the entry that is due first.
  ///
  /// - Complexity: O(log n).
  public mutating func popFirst<Slots: QueueSlots>(in slots: Slots) -> Slots.Entry? {
    count == 0 ? nil : remove(at: 0, in: slots)
  }

  /// Takes the entry at a position.
  ///
  /// - Precondition: the position is below `count`.
  /// - Complexity: O(log n).
  public mutating func remove<Slots: QueueSlots>(
    at position: Int, in slots: Slots
  ) -> Slots.Entry {
    precondition(position >= 0 && position < count, "no entry of the queue")
    let removed = slots.entry(at: position)
    count -= 1
    guard position < count else { return removed }
    let moved = slots.entry(at: count)
    let key = slots.key(of: moved)
    if position > 0, key < slots.key(of: slots.entry(at: (position - 1) / 2)) {
      rise(moved, from: position, in: slots)
    } else {
      sink(moved, from: position, in: slots)
    }
    return removed
  }

  private func rise<Slots: QueueSlots>(
    _ entry: Slots.Entry, from start: Int, in slots: Slots
  ) {
    let key = slots.key(of: entry)
    var position = start
    while position > 0 {
      let above = (position - 1) / 2
      let other = slots.entry(at: above)
      if !(key < slots.key(of: other)) { break }
      slots.setEntry(other, at: position)
      position = above
    }
    slots.setEntry(entry, at: position)
  }

  private func sink<Slots: QueueSlots>(
    _ entry: Slots.Entry, from start: Int, in slots: Slots
  ) {
    let key = slots.key(of: entry)
    var position = start
    while true {
      var below = position * 2 + 1
      if below >= count { break }
      if below + 1 < count,
        slots.key(of: slots.entry(at: below + 1)) < slots.key(of: slots.entry(at: below))
      {
        below += 1
      }
      let other = slots.entry(at: below)
      if !(slots.key(of: other) < key) { break }
      slots.setEntry(other, at: position)
      position = below
    }
    slots.setEntry(entry, at: position)
  }

  /// Traps if an entry is due before the one above it.
  public func checkInvariants<Slots: QueueSlots>(in slots: Slots) {
    precondition(count <= slots.capacity, "more entries than places")
    var position = 1
    while position < count {
      let above = slots.key(of: slots.entry(at: (position - 1) / 2))
      precondition(!(slots.key(of: slots.entry(at: position)) < above), "due too early")
      position += 1
    }
  }
}
