// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryEvents
import MemoryUnits

/// Free blocks in the hands of a CPU: the one that came last is taken first, and the one that has
/// lain longest goes back to the zone first.
///
/// A list in both directions, but the first block's `previous` means nothing: so that taking a
/// block touches no other one's descriptor.
///
/// Linux: `pcp->lists`.
struct FrameStack: BitwiseCopyable {
  /// Frame numbers; `end` means nothing where `first` is 0, for an empty stack.
  private(set) var first: UInt32 = 0
  private var end: UInt32 = 0

  /// The block that has lain longest.
  var last: PageFrameNumber? { first == 0 ? nil : PageFrameNumber(end) }

  /// The number of the block that came after this one, 0 for none.
  func previous(of frame: PageFrameNumber, in table: FrameTable) -> UInt32 {
    frame.value == first ? 0 : table[frame].previous
  }

  /// - Complexity: O(n).
  func count(in table: FrameTable) -> Int {
    var (count, frame) = (0, first)
    while frame != 0 {
      count += 1
      frame = table[PageFrameNumber(frame)].next
    }
    return count
  }

  @inline(__always)  // For `PageFrames.allocate`, which says what it saves.
  mutating func pop(in table: FrameTable) -> PageFrameNumber? {
    guard first != 0 else { return nil }
    let frame = PageFrameNumber(first)
    first = table[frame].next
    return frame
  }

  /// Writes the block's whole descriptor.
  @inline(__always)  // As `pop`.
  mutating func push(
    _ frame: PageFrameNumber, _ order: Order, _ zone: ZoneKind, in table: FrameTable
  ) {
    var descriptor = FrameDescriptor(.free, order: order, zone: zone, flags: .cached)
    descriptor.next = first
    table[frame] = descriptor
    if first == 0 {
      end = frame.value
    } else {
      table[PageFrameNumber(first)].previous = frame.value
    }
    first = frame.value
  }

  /// Adds free blocks that are to be taken after those that are there, the lowest first.
  mutating func append(_ run: FrameRun, _ zone: ZoneKind, in table: FrameTable) {
    var before = end
    var frame = run.first.value
    if first == 0 { first = frame } else { table[PageFrameNumber(before)].next = frame }
    for _ in 0..<run.count {
      let number = PageFrameNumber(frame)
      table[number].kindAndOrder = FrameDescriptor.pack(.free, run.order)
      table[number].flagsAndZone = FrameDescriptor.pack(.cached, zone)
      table[number].previous = before
      before = frame
      frame &+= run.step
      table[number].next = frame
    }
    table[PageFrameNumber(before)].next = 0
    end = before
  }

  /// Takes off a frame of this stack and all that have lain longer.
  mutating func removeLast(from frame: PageFrameNumber, in table: FrameTable) {
    if frame.value == first {
      first = 0
    } else {
      end = table[frame].previous
      table[PageFrameNumber(end)].next = 0
    }
  }
}
