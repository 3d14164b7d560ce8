// SPDX-License-Identifier: Apache-2.0

import LinuxABI
import Machine
import MemoryEvents
import MemoryUnits

/// The way of files out of the machine: records in a ring of the channel, with no state but the
/// ring's head, which only the kernel moves.
struct SaveStream<M: Machine>: BitwiseCopyable {
  let machine: M
  /// A word that says up to where the host had taken all.
  let taken: MemoryBlock

  init(_ machine: M, taken: MemoryBlock) {
    self.machine = machine
    self.taken = taken
    taken.store(machine.channel.loadShared(at: ChannelLayout.saveHeadOffset), at: 0)
  }

  /// All bytes that were ever sent.
  var sentCount: UInt64 { machine.channel.loadShared(at: ChannelLayout.saveHeadOffset) }

  /// Sends a record with its bytes, which may come from two places.
  ///
  /// - Precondition: the record fits in the ring.
  /// - Context: never sleeps; may wait for the host with the clock stopped.
  func send(
    _ kind: SaveRecord.Kind, number: UInt32 = 0, _ first: MemoryBlock, _ firstCount: Int,
    _ second: MemoryBlock? = nil, _ secondCount: Int = 0
  ) {
    let total = SaveRecord.headerBytes + firstCount + secondCount
    makeRoom(total)
    var place = sentCount
    put(UInt64(kind.rawValue) | UInt64(number) << 32, at: &place)
    put(UInt64(firstCount + secondCount), at: &place)
    copy(first, firstCount, at: &place)
    if let second { copy(second, secondCount, at: &place) }
    machine.channel.storeShared(place, at: ChannelLayout.saveHeadOffset)
  }

  /// Waits for the host where the ring may be full. How much the host has taken is looked at only
  /// then, and then it is all, so that its haste is not seen.
  private func makeRoom(_ count: Int) {
    let sent = sentCount
    let waiting = Int(sent - taken.load(UInt64.self, at: 0))
    guard waiting + count > ChannelLayout.saveBytes else { return }
    let channel = machine.channel
    machine.withClockStopped {
      while channel.loadShared(at: ChannelLayout.saveTailOffset) != sent {}
    }
    taken.store(sent, at: 0)
  }

  private func put(_ word: UInt64, at place: inout UInt64) {
    for shift in 0..<8 {
      let byte = UInt8(truncatingIfNeeded: word >> UInt64(shift * 8))
      machine.channel.store(byte, at: ringPlace(place))
      place += 1
    }
  }

  private func copy(_ source: MemoryBlock, _ count: Int, at place: inout UInt64) {
    var done = 0
    while done < count {
      let target = ringPlace(place)
      let end = ChannelLayout.saveOffset + ChannelLayout.saveBytes
      let part = min(count - done, end - target)
      machine.channel.copy(from: source, at: done, to: target, byteCount: part)
      done += part
      place += UInt64(part)
    }
  }

  private func ringPlace(_ count: UInt64) -> Int {
    ChannelLayout.saveOffset + Int(count % UInt64(ChannelLayout.saveBytes))
  }
}
