// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryEvents
import MemoryUnits

/// Free blocks in the hands of a CPU: the one that came last is taken first, and the one that has
/// lain longest goes back to the zone first.
///
/// A list in both directions, but the first block's `previous` means nothing: so that taking a
/// block touches no other one's descriptor. The blocks' private word is the stack's mark, so that
/// the neighbours of one are found by their numbers.
///
/// Linux: `pcp->lists`.
struct FrameStack: BitwiseCopyable {
  /// Frame numbers; `end` means nothing where `first` is 0, for an empty stack.
  private(set) var first: UInt32 = 0
  private var end: UInt32 = 0
  /// Another one for each stack, and not 0.
  private let mark: UInt32

  init(mark: UInt32) { self.mark = mark }

  /// The block that has lain longest.
  var last: PageFrameNumber? { first == 0 ? nil : PageFrameNumber(end) }

  /// Whether a frame heads a block of this stack.
  @inline(__always)  // For `popOldestRun`: a frame of a scattered munmap is 10 more as a call.
  func contains(_ frame: PageFrameNumber, in table: FrameTable) -> Bool {
    table.contains(frame) && table[frame].privateWord == mark && table[frame].isInStack
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
  mutating func push(_ frame: PageFrameNumber, _ order: Order, in table: FrameTable) {
    push(frame, order, zoneOf: table[frame].flagsAndZone, in: table)
  }

  /// - Parameter word: flags and zone of a frame of the same zone.
  @inline(__always)  // As `pop`.
  mutating func push(
    _ frame: PageFrameNumber, _ order: Order, zoneOf word: UInt16, in table: FrameTable
  ) {
    var descriptor = FrameDescriptor(.free, order: order, zoneOf: word, flags: .cached)
    descriptor.next = first
    descriptor.privateWord = mark
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
      table[number].privateWord = mark
      table[number].previous = before
      before = frame
      frame &+= run.step
      table[number].next = frame
    }
    table[PageFrameNumber(before)].next = 0
    end = before
  }

  /// Empties the stack: its blocks are on no list then, and those that are neighbours are one run.
  ///
  /// No block is taken out of the chain by itself, as by `remove`: what has gone with a neighbour
  /// of it says so when its turn comes, since nobody writes a descriptor meanwhile.
  ///
  /// - Complexity: O(blocks).
  mutating func takeAll(_ order: Order, in table: FrameTable) -> FrameRuns {
    var runs = FrameRuns(order)
    let step: UInt32 = 1 &<< UInt32(order.value)
    var next = first
    while next != 0 {
      let frame = PageFrameNumber(next)
      next = table[frame].next
      guard table[frame].isInStack else { continue }
      table[frame].hide()
      let lowest = PageBlocks.start(of: frame).value
      let limit = lowest &+ UInt32(PageBlocks.frameCount)
      var (low, end) = (frame.value, frame.value &+ step)
      while low > lowest, contains(PageFrameNumber(low &- step), in: table) {
        low &-= step
        table[PageFrameNumber(low)].hide()
      }
      while end < limit, contains(PageFrameNumber(end), in: table) {
        table[PageFrameNumber(end)].hide()
        end &+= step
      }
      runs.push(PageFrameNumber(low), frameCount: end &- low, in: table)
    }
    first = 0
    return runs
  }

  /// - Precondition: the block is in this stack.
  mutating func remove(_ frame: PageFrameNumber, in table: FrameTable) {
    let (next, previous) = (table[frame].next, table[frame].previous)
    if frame.value == first {
      first = next
      return
    }
    table[PageFrameNumber(previous)].next = next
    if next == 0 { end = previous } else { table[PageFrameNumber(next)].previous = previous }
  }
}
