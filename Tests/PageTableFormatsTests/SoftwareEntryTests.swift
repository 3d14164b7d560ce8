// SPDX-License-Identifier: Apache-2.0

import MemoryUnits
import PageTableFormats
import Testing

@Suite struct SoftwareEntryTests {
  @Test func `software entries have the bits that the layouts draw`() {
    let first = SoftwareEntry.swap(device: 0, slot: 0)
    let third = SoftwareEntry.swap(device: 3, slot: 0x1234)
    let moving = SoftwareEntry.migration(PageFrameNumber(0x9ABC), writable: true)
    #expect(X8664Format.software(first) == 0x2)
    #expect(X8664Format.software(third) == 0x0000_1234_0000_0008)
    #expect(X8664Format.software(moving) == 0x0000_9ABC_0000_003E)
    #expect(PAEFormat.software(third) == 0x0000_1234_0000_0008)
    #expect(I386Format.software(first) == 0x2)
    #expect(I386Format.software(.swap(device: 0, slot: 3)) == 0xC2)
    #expect(I386Format.software(third) == 0x0009_1A08)
    #expect(I386Format.software(moving) == 0x004D_5E3E)
    #expect(Sv39Format.software(third) == 0x0123_4200)
    #expect(AArch64Format.software(third) == 0x0012_3420)
  }

  private func roundTrip<Format: PageTableFormat>(_ format: Format.Type, slotBits: Int) {
    let largest = UInt32.max >> UInt32(32 - slotBits)
    var slots = (0..<slotBits).map { UInt32(1) << UInt32($0) }
    slots += [0, largest]
    for slot in slots {
      for device in 0..<UInt8(SoftwareEntry.deviceCount) {
        check(format, .swap(device: device, slot: slot))
      }
      // A frame of the format's largest memory
      let frame = PageFrameNumber(min(slot, slotBits == 25 ? 0xF_FFFF : .max))
      check(format, .migration(frame, writable: false))
      check(format, .migration(frame, writable: true))
    }
  }

  private func check<Format: PageTableFormat>(_ format: Format.Type, _ entry: SoftwareEntry) {
    let bits = Format.software(entry)
    #expect(bits != 0)
    #expect(bits >> UInt64(Format.entryByteCount * 8 - 1) <= 1)
    #expect(Format.decode(bits, level: 0) == .software(entry))
  }

  @Test func `every format gives swap and migration entries back`() {
    roundTrip(X8664Format.self, slotBits: 32)
    roundTrip(I386Format.self, slotBits: 25)
    roundTrip(PAEFormat.self, slotBits: 32)
    roundTrip(Sv39Format.self, slotBits: 32)
    roundTrip(AArch64Format.self, slotBits: 32)
  }
}
