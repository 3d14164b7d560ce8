// SPDX-License-Identifier: Apache-2.0

import DeviceMemory
import MemoryEvents
import MemoryUnits
import PageFrames
import Testing

@Suite struct CoherentMemoryTests {
  @Test func `coherent memory is whole pages of zeros, in a row, and the device's own kind`() throws
  {
    try TestDevices.run { test in
      let device = try test.devices.addDevice(number: 1, mask: .all)
      let before = test.unusedPageCount
      let memory = try test.devices.allocateCoherent(for: device, ByteCount(3 * 4096 - 100))
      #expect(memory.byteCount.value == 3 * 4096 && memory.memory.byteCount == 3 * 4096)
      #expect(memory.address.value % 4096 == 0)
      for place in stride(from: 0, to: 3 * 4096, by: 8) {
        #expect(memory.memory.load(UInt64.self, at: place) == 0)
      }
      let first = memory.address.physical.frame
      for page in 0..<3 { #expect(test.frames.table[first + PageCount(page)].kind == .dma) }
      // The block was of four frames: the last is others' again.
      #expect(test.frames.table[first + PageCount(3)].kind != .dma)
      #expect(test.devices.describe(device).coherentPageCount.value == 3)
      test.write(77, memory.address)
      #expect(memory.memory.load(UInt64.self, at: 0) == 77)
      try test.devices.freeCoherent(of: device, memory.address, ByteCount(3 * 4096 - 100))
      #expect(test.unusedPageCount == before)
      #expect(test.devices.removeDevice(device) == 0)
    }
  }

  @Test func `a mask decides the zone`() throws {
    try TestDevices.run { test in
      func zone(_ bits: UInt8) throws -> ZoneKind {
        let device = try test.devices.addDevice(number: 1, mask: AddressMask(bits: bits))
        defer { _ = test.devices.removeDevice(device) }
        let memory = try test.devices.allocateCoherent(for: device, ByteCount(4096))
        return test.frames.table[memory.address.physical.frame].zone
      }
      let zones = try [zone(24), zone(32), zone(64)]
      #expect(zones == [.dma, .dma32, .normal])
    }
  }

  @Test func `memory beyond the mask is given back, and the next lower zone is tried`() throws {
    // The second zone reaches from 16 to 40 MiB, and the device up to 32.
    try TestDevices.run([4096, 10240, 10240, 10240]) { test in
      let before = test.unusedPageCount
      let device = try test.devices.addDevice(number: 1, mask: AddressMask(bits: 25))
      var zones: Set<UInt8> = []
      while let memory = try? test.devices.allocateCoherent(for: device, ByteCount(1 << 18)) {
        #expect(memory.address.value + (1 << 18) <= 1 << 25)
        zones.insert(UInt8(test.frames.table[memory.address.physical.frame].zone.rawValue))
      }
      #expect(zones.contains(UInt8(ZoneKind.dma.rawValue)))
      // Nothing of what lay too high was kept.
      let have = test.devices.describe(device).coherentPageCount.value
      _ = test.devices.removeDevice(device)
      #expect(test.unusedPageCount == before && have > 1024)
    }
  }

  @Test func `a mask that the lowest zone is beyond is refused`() throws {
    try TestDevices.run { test in
      #expect(throws: DeviceMemoryError.unreachable) {
        _ = try test.devices.addDevice(number: 1, mask: AddressMask(bits: 16))
      }
      let device = try test.devices.addDevice(number: 1, mask: .all)
      #expect(throws: DeviceMemoryError.unreachable) {
        try test.devices.setMasks(of: device, .all, coherent: AddressMask(bits: 23))
      }
      #expect(test.devices.describe(device).coherentMask == .all)
    }
  }

  @Test func `nothing, too much and no memory are errors`() throws {
    try TestDevices.run { test in
      let device = try test.devices.addDevice(number: 1, mask: .all)
      #expect(throws: DeviceMemoryError.zeroSize) {
        _ = try test.devices.allocateCoherent(for: device, .zero)
      }
      #expect(throws: DeviceMemoryError.tooLarge) {
        _ = try test.devices.allocateCoherent(for: device, ByteCount(1 << 40))
      }
      let before = test.unusedPageCount
      test.frames.inject(FailureInjection(interval: 1))
      #expect(throws: DeviceMemoryError.outOfMemory) {
        _ = try test.devices.allocateCoherent(for: device, ByteCount(4096))
      }
      test.frames.inject(.none)
      #expect(test.unusedPageCount == before)
    }
  }

  @Test func `what is given back wrongly stays, and is counted`() throws {
    try TestDevices.run { test in
      let device = try test.devices.addDevice(number: 1, mask: .all)
      let other = try test.devices.addDevice(number: 2, mask: .all)
      let memory = try test.devices.allocateCoherent(for: device, ByteCount(8192))
      #expect(throws: DeviceMemoryError.otherSize) {
        try test.devices.freeCoherent(of: device, memory.address, ByteCount(4096))
      }
      #expect(throws: DeviceMemoryError.notMapped) {
        try test.devices.freeCoherent(of: other, memory.address, ByteCount(8192))
      }
      try test.devices.freeCoherent(of: device, memory.address, ByteCount(8192))
      #expect(throws: DeviceMemoryError.notMapped) {
        try test.devices.freeCoherent(of: device, memory.address, ByteCount(8192))
      }
      #expect(test.devices.misuseCount == 3)
    }
  }

  @Test func `a device that goes leaves nothing behind, and its leaks are counted`() throws {
    try TestDevices.run { test in
      let before = test.unusedPageCount
      let device = try test.devices.addDevice(number: 1, mask: .all)
      _ = try test.devices.allocateCoherent(for: device, ByteCount(8192))
      let pool = try test.devices.makePool(for: device, blocks: ByteCount(100))
      _ = try test.devices.allocate(from: pool)
      _ = try test.devices.map(PhysicalAddress(0x5000), ByteCount(512), .toDevice, for: device)
      #expect(test.devices.removeDevice(device) == 3)
      #expect(test.devices.leakCount == 3)
      #expect(test.unusedPageCount == before)
    }
  }
}
