// SPDX-License-Identifier: Apache-2.0

import CProcessor
import Machine
import MemoryEvents
import MemoryUnits

/// The event log's ring.
extension BareMetalMachine {
  public func record(_ event: MemoryEvent) {
    if unsafe state.pointee.eventRoom == 0 { waitForEventRoom() }
    unsafe state.pointee.eventRoom &-= 1
    let head = unsafe state.pointee.eventHead
    let slot = head & UInt64(ChannelLayout.eventCount - 1)
    let channel = unsafe state.pointee.channel
    let place = channel &+ UInt64(ChannelLayout.eventOffset) &+ slot &* 32
    var stamped = event
    stamped.time = now.nanoseconds
    // SAFETY: one of the ring's places, which the host has read.
    unsafe UnsafeMutablePointer<MemoryEvent>(bitPattern: UInt(place))!.pointee = stamped
    unsafe state.pointee.eventHead = head &+ 1
    shared_store64(channel &+ UInt64(ChannelLayout.eventHeadOffset), head &+ 1)
  }

  /// Waits until the host has read all but half a ring.
  ///
  /// This happens after fixed numbers of records, whether the host is slow or fast, so that the
  /// host's counter never reaches code whose instructions count.
  @inline(never)
  private func waitForEventRoom() {
    let half = UInt64(ChannelLayout.eventCount / 2)
    let wanted = unsafe state.pointee.eventHead &- half
    let tail = unsafe state.pointee.channel &+ UInt64(ChannelLayout.eventTailOffset)
    withClockStopped {
      while shared_load64(tail) < wanted { processor_pause() }
    }
    unsafe state.pointee.eventRoom = half
  }
}
