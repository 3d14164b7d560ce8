// SPDX-License-Identifier: Apache-2.0

import MemoryEvents

/// A ring of the channel seen from the side that reads it.
///
/// Head and tail count bytes (events: records) for ever; a place is the count modulo the size.
struct RingReader {
  let headOffset: Int
  let tailOffset: Int
  let dataOffset: Int
  /// Number of units that fit; a power of two.
  let capacity: UInt64
  /// Bytes of one unit.
  let unit: Int
  /// All that was read so far.
  private(set) var tail: UInt64 = 0

  static var events: RingReader {
    RingReader(
      headOffset: ChannelLayout.eventHeadOffset, tailOffset: ChannelLayout.eventTailOffset,
      dataOffset: ChannelLayout.eventOffset, capacity: UInt64(ChannelLayout.eventCount),
      unit: MemoryEvent.byteCount)
  }
  static var output: RingReader {
    RingReader(
      headOffset: ChannelLayout.outputHeadOffset, tailOffset: ChannelLayout.outputTailOffset,
      dataOffset: ChannelLayout.outputOffset, capacity: UInt64(ChannelLayout.outputBytes), unit: 1)
  }
  static var error: RingReader {
    RingReader(
      headOffset: ChannelLayout.errorHeadOffset, tailOffset: ChannelLayout.errorTailOffset,
      dataOffset: ChannelLayout.errorOffset, capacity: UInt64(ChannelLayout.errorBytes), unit: 1)
  }
  static var text: RingReader {
    RingReader(
      headOffset: ChannelLayout.textHeadOffset, tailOffset: ChannelLayout.textTailOffset,
      dataOffset: ChannelLayout.textOffset, capacity: UInt64(ChannelLayout.textBytes), unit: 1)
  }
  static var saves: RingReader {
    RingReader(
      headOffset: ChannelLayout.saveHeadOffset, tailOffset: ChannelLayout.saveTailOffset,
      dataOffset: ChannelLayout.saveOffset, capacity: UInt64(ChannelLayout.saveBytes), unit: 1)
  }

  private init(headOffset: Int, tailOffset: Int, dataOffset: Int, capacity: UInt64, unit: Int) {
    self.headOffset = headOffset
    self.tailOffset = tailOffset
    self.dataOffset = dataOffset
    self.capacity = capacity
    self.unit = unit
  }

  /// All that was ever written.
  ///
  /// - Throws: `failed` if the counter cannot be right.
  func head(in memory: GuestMemory) throws(ToolFailure) -> UInt64 {
    let head = memory.load(headOffset)
    guard head >= tail, head - tail <= capacity else {
      throw ToolFailure(
        .failed, "the kernel broke a counter of the channel", "run it with --verbose")
    }
    return head
  }

  /// Reads up to a count of all that was ever written, in at most two parts, and frees each part
  /// for the writer once the body has done with it.
  ///
  /// - Precondition: `end` is at most `head`.
  mutating func read(
    to end: UInt64, from memory: GuestMemory,
    _ body: (UnsafeRawBufferPointer) throws(ToolFailure) -> Void
  ) throws(ToolFailure) {
    while tail < end {
      let place = tail & (capacity - 1)
      let count = min(end - tail, capacity - place)
      // SAFETY: the part lies in the ring; the writer stays out of it until the tail has moved.
      try unsafe memory.withChannel(
        at: dataOffset + Int(place) * unit, count: Int(count) * unit
      ) { (part) throws(ToolFailure) in
        try unsafe body(UnsafeRawBufferPointer(part))
      }
      tail += count
      memory.store(tail, tailOffset)
    }
  }
}

/// The ring of standard input, which the host writes.
struct InputRing {
  private(set) var head: UInt64 = 0
  private(set) var hasEnded = false

  private static var capacity: UInt64 { UInt64(ChannelLayout.inputBytes) }

  /// How much the kernel waits for and has room for, as one part.
  func wanted(in memory: GuestMemory) -> Int {
    if hasEnded { return 0 }
    let asked = memory.load(ChannelLayout.inputWantedOffset)
    guard asked > head else { return 0 }
    let used = head &- memory.load(ChannelLayout.inputTailOffset)
    guard used < Self.capacity else { return 0 }
    let place = head & (Self.capacity - 1)
    return Int(min(asked - head, Self.capacity - used, Self.capacity - place))
  }

  /// Calls with the next free part of the ring; the body says how many bytes it filled.
  mutating func fill(
    _ count: Int, in memory: GuestMemory, _ body: (UnsafeMutableRawBufferPointer) -> Int
  ) {
    let place = Int(head & (Self.capacity - 1))
    precondition(count <= ChannelLayout.inputBytes - place, "a part beyond the ring")
    // SAFETY: the part lies in the ring; the reader stays out of it until the head has moved.
    let filled = unsafe memory.withChannel(
      at: ChannelLayout.inputOffset + place, count: count
    ) { unsafe body($0) }
    precondition(filled >= 0 && filled <= count, "more than the part holds")
    head += UInt64(filled)
    memory.store(head, ChannelLayout.inputHeadOffset)
  }

  /// Says that no byte follows.
  mutating func end(in memory: GuestMemory) {
    hasEnded = true
    memory.store(1, ChannelLayout.inputEndedOffset)
  }
}
