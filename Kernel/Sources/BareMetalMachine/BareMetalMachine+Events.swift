// SPDX-License-Identifier: Apache-2.0

import CProcessor
import Machine
import MemoryEvents
import MemoryUnits

/// The event log's ring.
extension BareMetalMachine {
  @inline(__always)  // Eight of 28 instructions were the call.
  public func record(_ event: MemoryEvent) {
    // SAFETY: a record is 32 plain bytes.
    let words = unsafe unsafeBitCast(event, to: InlineArray<4, UInt64>.self)
    let channel = state.channel
    let headPlace = channel &+ UInt64(ChannelLayout.eventHeadOffset)
    let head = shared_load64(headPlace)
    let slot = head & UInt64(ChannelLayout.eventCount - 1)
    let place = channel &+ UInt64(ChannelLayout.eventOffset) &+ slot &* 32
    shared_store64(place, now.nanoseconds)
    shared_store64(place &+ 8, words[1])
    shared_store64(place &+ 16, words[2])
    shared_store64(place &+ 24, words[3])
    shared_store64(headPlace, head &+ 1)
    if head &+ 1 == state.eventLimit { waitForEventRoom() }
  }

  /// Waits until the host has read all but half a ring.
  ///
  /// This happens after fixed numbers of records, whether the host is slow or fast, so that the
  /// host's counter never reaches code whose instructions count.
  @inline(never)
  private func waitForEventRoom() {
    let half = UInt64(ChannelLayout.eventCount / 2)
    let wanted = state.eventLimit &- half
    let tail = state.channel &+ UInt64(ChannelLayout.eventTailOffset)
    withClockStopped {
      while shared_load64(tail) < wanted { processor_pause() }
    }
    state.eventLimit &+= half
  }
}
