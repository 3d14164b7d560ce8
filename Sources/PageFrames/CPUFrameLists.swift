// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryUnits

/// The small blocks of each zone that one CPU keeps at hand.
///
/// Linux: `struct per_cpu_pages`, for all zones.
struct CPUFrameLists: BitwiseCopyable {
  var zones: InlineArray<4, CPUZoneLists>

  init(cpu: Int) {
    zones = InlineArray<4, CPUZoneLists>(repeating: CPUZoneLists(mark: 0))
    for zone in 0..<ZoneKind.count {
      zones[zone] = CPUZoneLists(mark: UInt32(cpu << 8 | zone << 6) | 1 << 16)
    }
  }
}

/// One zone's blocks in the hands of one CPU, by order and mobility.
struct CPUZoneLists: BitwiseCopyable {
  /// Frames that go to or come from the zone at once. Linux: `pcp->batch`.
  private(set) var batch: Int32 = 1
  /// Frames at which a batch goes back. Linux: `pcp->high`.
  private(set) var high: Int32 = 0
  /// Frames that may come until then: `high` less those that are here, so that a push counts and
  /// compares at once. Cannot overflow, since a zone has fewer frames than 2^31.
  private var room: Int32 = 0

  var frameCount: Int { Int(high &- room) }
  /// Frames ever taken by who uses them. Linux: `PGALLOC`, in part.
  private(set) var takenCount: UInt64 = 0
  /// The list that blocks were given back from last.
  private var lastDrained = 0

  /// The frames to give back where there are too many. Linux: `nr_pcp_free()`.
  var excess: Int { room > 0 ? 0 : Int(batch &- room) }

  private var lists: InlineArray<13, FrameStack>

  /// - Parameter mark: its low six bits are 0.
  init(mark: UInt32) {
    lists = InlineArray<13, FrameStack>(repeating: FrameStack(mark: mark))
    for list in 0..<Self.listCount { lists[list] = FrameStack(mark: mark | UInt32(list)) }
  }

  /// The largest blocks kept. Linux: `PAGE_ALLOC_COSTLY_ORDER`.
  static var largestOrder: Order { Order(3) }
  static var listCount: Int { 13 }
  /// The list, beside those by order and mobility, of single frames that hold zeros alone.
  static var zeroedList: Int { 12 }

  /// The list of an order and a mobility.
  static func list(_ order: Order, _ mobility: Mobility) -> Int {
    Int(mobility.rawValue) << 2 | Int(order.value)
  }

  /// Linux: `pageset_update()`.
  mutating func setLimits(batch: Int, high: Int) {
    self.batch = Int32(batch)
    room &+= Int32(high) &- self.high
    self.high = Int32(high)
  }

  /// The list for blocks of a page block of a mobility, by its number: those of contiguous areas
  /// lie with the movable ones, those of isolated page blocks nowhere.
  ///
  /// Linux: `free_unref_page()`.
  @inline(__always)  // On the way of every free.
  static func list(_ order: Order, ofPageBlock number: Int) -> Int? {
    if number <= 2 { return number &<< 2 | Int(order.value) }
    guard number != Int(Mobility.isolated.rawValue) else { return nil }
    return list(order, .movable)
  }

  /// How many single frames of many may come; as for `hasRoom`.
  var roomForMany: Int { max(Int(room &- batch &- 1), 0) }

  /// Whether a block of many may come; what comes singly afterwards finds room for a batch still.
  func hasRoom(for order: Order) -> Bool {
    order <= Self.largestOrder && room > batch &+ (1 &<< Int32(order.value))
  }

  /// The list to give blocks back from: each in its turn, since where one is always emptied first
  /// it is filled again at once, and emptied again, as long as others take all the room.
  mutating func nextToDrain() -> Int {
    for step in 1...Self.listCount {
      let list = (lastDrained + step) % Self.listCount
      if lists[list].first != 0 {
        lastDrained = list
        return list
      }
    }
    return 0
  }

  /// How many blocks of an order to fetch when there is none. Linux: `nr_pcp_alloc()`.
  func refillCount(_ order: Order) -> Int {
    batch > 1 ? max(Int(batch) >> Int(order.value), 2) : 1
  }

  /// Takes the block that came last. Its descriptor still says that it is in a list.
  @inline(__always)  // For `PageFrames.allocate`, which says what it saves.
  mutating func pop(
    _ order: Order, _ mobility: Mobility, in table: FrameTable
  ) -> PageFrameNumber? {
    guard let frame = lists[Self.list(order, mobility)].pop(in: table) else { return nil }
    room &+= 1 &<< Int32(order.value)
    takenCount &+= 1 &<< UInt64(order.value)
    return frame
  }

  /// Takes the single frame of zeros that came last.
  mutating func popZeroed(in table: FrameTable) -> PageFrameNumber? {
    guard let frame = lists[Self.zeroedList].pop(in: table) else { return nil }
    room &+= 1
    takenCount &+= 1
    return frame
  }

  /// Takes the block that has lain longest, and those neighbours of it that are in the same list,
  /// wherever they stand there: they merge in the zone all at once.
  ///
  /// - Returns: up to `limit` blocks, of one page block.
  /// - Complexity: O(blocks taken).
  mutating func popOldestRun(_ list: Int, atMost limit: Int, in table: FrameTable) -> FrameRun? {
    guard let oldest = lists[list].last else { return nil }
    lists[list].remove(oldest, in: table)
    let order = Self.order(ofList: list)
    let step: UInt32 = 1 &<< UInt32(order.value)
    let inside = UInt32(PageBlocks.frameCount - 1)
    var (low, count) = (oldest.value, 1)
    while count < limit, low & inside >= step,
      lists[list].contains(PageFrameNumber(low &- step), in: table)
    {
      low &-= step
      count += 1
      lists[list].remove(PageFrameNumber(low), in: table)
    }
    var end = oldest.value &+ step
    while count < limit, end & inside != 0,
      lists[list].contains(PageFrameNumber(end), in: table)
    {
      lists[list].remove(PageFrameNumber(end), in: table)
      end &+= step
      count += 1
    }
    let run = FrameRun(first: PageFrameNumber(low), order: order, count: count)
    room &+= Int32(run.frameCount)
    return run
  }

  /// Takes all blocks of a list, those with the block that has lain longest first.
  ///
  /// - Complexity: O(blocks).
  mutating func takeAll(_ list: Int, in table: FrameTable) -> FrameRuns {
    let runs = lists[list].takeAll(Self.order(ofList: list), in: table)
    room &+= Int32(runs.frameCount)
    return runs
  }

  /// Adds a block that is to be taken first, as nobody's.
  ///
  /// - Returns: whether there are so many now that a batch should go back.
  @inline(__always)  // As `pop`.
  mutating func push(
    _ frame: PageFrameNumber, _ order: Order, _ list: Int, in table: FrameTable
  ) -> Bool {
    lists[list].push(frame, order, in: table)
    room &-= 1 &<< Int32(order.value)
    return room <= 0
  }

  /// Lets the body add single frames to a list, and counts as many as it says.
  ///
  /// - Returns: what the body said.
  @inline(__always)  // As `pop`, for what frees many.
  mutating func push(in list: Int, _ body: (inout FrameStack) -> Int) -> Int {
    let count = body(&lists[list])
    room &-= Int32(truncatingIfNeeded: count)
    return count
  }

  /// Adds free blocks that are to be taken after those that are there, the lowest first.
  mutating func append(_ run: FrameRun, _ list: Int, _ zone: ZoneKind, in table: FrameTable) {
    lists[list].append(run, zone, in: table)
    room &-= Int32(run.frameCount)
  }

  func list(_ index: Int) -> FrameStack { lists[index] }

  static func order(ofList list: Int) -> Order { Order(UInt8(list & 3)) }
}
