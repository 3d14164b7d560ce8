// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryUnits

/// The modelled ends of the transfers in flight, the earliest first; of the same time, the one
/// that was noted first.
struct DiskEvents: BitwiseCopyable {
  struct Event: BitwiseCopyable {
    var time = VirtualTime.never
    var tag: UInt16 = 0
  }

  /// Sorted from the latest to the earliest, so that the next to come is at the end.
  private let events: ResidentArray<Event>
  private(set) var count = 0

  /// - Parameter block: of `byteCount` bytes.
  init(in block: MemoryBlock) {
    events = ResidentArray(
      repeating: Event(), count: DiskTransfer.maximumInFlight, in: block)
  }

  static var byteCount: Int { MemoryLayout<Event>.stride * DiskTransfer.maximumInFlight }

  /// The time of the earliest, `never` if there is none.
  var next: VirtualTime { count == 0 ? .never : events[count - 1].time }

  /// - Precondition: fewer than `DiskTransfer.maximumInFlight` are noted.
  /// - Complexity: O(events).
  mutating func insert(tag: UInt16, at time: VirtualTime) {
    var place = count
    while place > 0 && events[place - 1].time <= time {
      events[place] = events[place - 1]
      place -= 1
    }
    events[place] = Event(time: time, tag: tag)
    count += 1
  }

  /// Takes the earliest if its time has come.
  mutating func takeDue(at now: VirtualTime) -> UInt16? {
    guard count > 0, events[count - 1].time <= now else { return nil }
    count -= 1
    return events[count].tag
  }
}
