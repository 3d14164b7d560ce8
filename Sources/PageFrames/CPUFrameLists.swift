// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryUnits

/// The small blocks of each zone that one CPU keeps at hand.
///
/// Linux: `struct per_cpu_pages`, for all zones.
struct CPUFrameLists: BitwiseCopyable {
  var zones = InlineArray<4, CPUZoneLists>(repeating: CPUZoneLists())
}

/// One zone's blocks in the hands of one CPU, by order and mobility.
struct CPUZoneLists: BitwiseCopyable {
  /// Frames that go to or come from the zone at once. Linux: `pcp->batch`.
  var batch: Int32 = 1
  /// Frames beyond which a batch goes back. Linux: `pcp->high`.
  var high: Int32 = 0
  private(set) var frameCount: Int32 = 0

  private var lists = InlineArray<12, FrameList>(repeating: FrameList())

  /// The largest blocks kept. Linux: `PAGE_ALLOC_COSTLY_ORDER`.
  static var largestOrder: Order { Order(3) }
  static var listCount: Int { 12 }

  /// The list of an order and a mobility.
  static func list(_ order: Order, _ mobility: Mobility) -> Int {
    Int(mobility.rawValue) << 2 | Int(order.value)
  }

  /// Whether a block of many may come; what comes singly afterwards finds room for a batch still.
  func hasRoom(for order: Order) -> Bool {
    order <= Self.largestOrder && frameCount &+ (1 &<< Int32(order.value)) < high &- batch
  }

  /// How many blocks of an order to fetch when there is none. Linux: `nr_pcp_alloc()`.
  func refillCount(_ order: Order) -> Int {
    batch > 1 ? max(Int(batch) >> Int(order.value), 2) : 1
  }

  /// Takes the block that came last. Its descriptor still says that it is in a list.
  mutating func pop(_ list: Int, in table: FrameTable) -> PageFrameNumber? {
    guard let frame = lists[list].popFirst(in: table) else { return nil }
    frameCount &-= Self.frameCount(ofList: list)
    return frame
  }

  /// Takes the block that has lain longest, with those that came after it as long as each is the
  /// neighbour of the one before, upwards or downwards.
  ///
  /// Linux: `list_last_entry()`.
  ///
  /// - Returns: up to `limit` blocks, of one page block.
  /// - Complexity: O(blocks taken).
  mutating func popOldestRun(_ list: Int, atMost limit: Int, in table: FrameTable) -> FrameRun? {
    let oldest = lists[list].last
    guard oldest != 0 else { return nil }
    let order = Self.order(ofList: list)
    let step: UInt32 = 1 &<< UInt32(order.value)
    var (end, count) = (oldest, 1)
    var next = table[PageFrameNumber(oldest)].previous
    let isUpwards = next > oldest
    while count < limit && next != 0 && next == (isUpwards ? end &+ step : end &- step)
      && (next ^ oldest) >> PageBlocks.shift == 0
    {
      end = next
      count += 1
      next = table[PageFrameNumber(end)].previous
    }
    lists[list].removeLast(from: PageFrameNumber(end), in: table)
    let run = FrameRun(first: PageFrameNumber(min(oldest, end)), order: order, count: count)
    frameCount &-= Int32(run.frameCount)
    return run
  }

  /// Adds a block that is to be taken first.
  ///
  /// - Returns: whether there are so many now that a batch should go back.
  mutating func push(_ frame: PageFrameNumber, _ list: Int, in table: FrameTable) -> Bool {
    lists[list].pushFirst(frame, in: table)
    frameCount &+= Self.frameCount(ofList: list)
    return frameCount >= high
  }

  /// Adds free blocks that are to be taken after those that are there, the lowest first.
  mutating func append(_ run: FrameRun, _ list: Int, _ zone: ZoneKind, in table: FrameTable) {
    lists[list].pushLast(run, zone, in: table)
    frameCount &+= Int32(run.frameCount)
  }

  func list(_ index: Int) -> FrameList { lists[index] }

  static func order(ofList list: Int) -> Order { Order(UInt8(list & 3)) }

  // Cannot overflow: a list holds frames of one zone, fewer than 2^31.
  private static func frameCount(ofList list: Int) -> Int32 { 1 << Int32(list & 3) }
}
