// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryEvents
import MemoryUnits

/// A doubly linked list of frames through their descriptors.
///
/// Linux: `struct list_head` of `struct page`.
struct FrameList: BitwiseCopyable {
  /// Frame numbers, 0 for none.
  private(set) var first: UInt32 = 0
  private(set) var last: UInt32 = 0

  /// - Complexity: O(n), so that the lists' fast paths need not count.
  func count(in table: FrameTable) -> Int {
    var (count, frame) = (0, first)
    while frame != 0 {
      count += 1
      frame = table[PageFrameNumber(frame)].next
    }
    return count
  }

  mutating func pushFirst(_ frame: PageFrameNumber, in table: FrameTable) {
    table[frame].next = first
    table[frame].previous = 0
    if first == 0 {
      last = frame.value
    } else {
      table[PageFrameNumber(first)].previous = frame.value
    }
    first = frame.value
  }

  mutating func pushLast(_ frame: PageFrameNumber, in table: FrameTable) {
    table[frame].next = 0
    table[frame].previous = last
    if last == 0 { first = frame.value } else { table[PageFrameNumber(last)].next = frame.value }
    last = frame.value
  }

  mutating func popFirst(in table: FrameTable) -> PageFrameNumber? {
    guard first != 0 else { return nil }
    let frame = PageFrameNumber(first)
    first = table[frame].next
    if first == 0 { last = 0 } else { table[PageFrameNumber(first)].previous = 0 }
    return frame
  }

  /// - Precondition: the frame is on this list.
  mutating func remove(_ frame: PageFrameNumber, in table: FrameTable) {
    let (next, previous) = (table[frame].next, table[frame].previous)
    if previous == 0 { first = next } else { table[PageFrameNumber(previous)].next = next }
    if next == 0 { last = previous } else { table[PageFrameNumber(next)].previous = previous }
  }
}
