// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryUnits
import Testing

@testable import Processes

@Suite struct DiskEventsTests {
  @Test func `events come by time, and those of one time as they were noted`() {
    let seed = UInt64.random(in: 1...UInt64.max)
    var random = SeededNumbers(state: seed)
    var buffer = InlineArray<2048, UInt8>(repeating: 0)
    withMemoryBlock(over: &buffer) { block in
      var events = DiskEvents(in: block)
      var model: [(time: UInt64, tag: UInt16)] = []
      for tag in 0..<UInt16(128) {
        let time = UInt64.random(in: 0..<40, using: &random)
        events.insert(tag: tag, at: VirtualTime(nanoseconds: time))
        let place = model.firstIndex { $0.time > time } ?? model.count
        model.insert((time, tag), at: place)
      }
      for now in 0..<UInt64(40) {
        #expect(events.next.nanoseconds == model.first?.time ?? UInt64.max, "seed \(seed)")
        while let tag = events.takeDue(at: VirtualTime(nanoseconds: now)) {
          #expect(tag == model.removeFirst().tag, "seed \(seed)")
        }
        #expect(model.allSatisfy { $0.time > now }, "seed \(seed)")
      }
      #expect(events.count == 0 && events.next == .never)
    }
  }
}
