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

  /// Takes the block that has lain longest. Linux: `list_last_entry()`.
  mutating func popOldest(_ list: Int, in table: FrameTable) -> PageFrameNumber? {
    guard let frame = lists[list].popLast(in: table) else { return nil }
    frameCount &-= Self.frameCount(ofList: list)
    return frame
  }

  /// Adds a block that is to be taken first.
  ///
  /// - Returns: whether there are so many now that a batch should go back.
  mutating func push(_ frame: PageFrameNumber, _ list: Int, in table: FrameTable) -> Bool {
    lists[list].pushFirst(frame, in: table)
    frameCount &+= Self.frameCount(ofList: list)
    return frameCount >= high
  }

  /// Adds a block that is to be taken after those that are there.
  mutating func append(_ frame: PageFrameNumber, _ list: Int, in table: FrameTable) {
    lists[list].pushLast(frame, in: table)
    frameCount &+= Self.frameCount(ofList: list)
  }

  func list(_ index: Int) -> FrameList { lists[index] }

  static func order(ofList list: Int) -> Order { Order(UInt8(list & 3)) }

  // Cannot overflow: a list holds frames of one zone, fewer than 2^31.
  private static func frameCount(ofList list: Int) -> Int32 { 1 << Int32(list & 3) }
}
