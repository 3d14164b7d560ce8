// SPDX-License-Identifier: Apache-2.0

import DeviceMemory
import MemoryUnits
import PageFrames
import Testing

@Suite struct DevicePoolTests {
  @Test func `blocks are aligned, apart, within boundaries, and come again`() throws {
    try TestDevices.run { test in
      let before = test.unusedPageCount
      let device = try test.devices.addDevice(number: 1, mask: .all)
      let pool = try test.devices.makePool(
        for: device, blocks: ByteCount(200), alignment: ByteCount(64), boundary: ByteCount(1024))
      #expect(test.devices.describe(pool).blockByteCount.value == 256)
      let blocks = try (0..<50).map { _ in try test.devices.allocate(from: pool) }
      let addresses = blocks.map(\.address.value)
      #expect(Set(addresses).count == 50)
      for address in addresses {
        #expect(address % 64 == 0 && address / 1024 == (address + 255) / 1024)
      }
      for (index, block) in blocks.enumerated() {
        block.memory.store(UInt64(index), at: 0)
        block.memory.store(UInt64(index), at: 248)
      }
      for (index, block) in blocks.enumerated() {
        #expect(test.see(block.address) == UInt64(index))
      }
      #expect(throws: DeviceMemoryError.busy) { try test.devices.destroy(pool) }
      try test.devices.free(blocks[3].address, to: pool)
      let again = try test.devices.allocate(from: pool)
      #expect(again.address == blocks[3].address)
      for block in blocks { try test.devices.free(block.address, to: pool) }
      try test.devices.destroy(pool)
      #expect(test.devices.removeDevice(device) == 0)
      #expect(test.unusedPageCount == before)
    }
  }

  @Test func `blocks with a boundary that they do not fill leave a gap, and large ones have pages`()
    throws
  {
    try TestDevices.run { test in
      let device = try test.devices.addDevice(number: 1, mask: .all)
      let odd = try test.devices.makePool(
        for: device, blocks: ByteCount(24), boundary: ByteCount(64))
      let addresses = try (0..<10).map { _ in try test.devices.allocate(from: odd).address.value }
      let places = addresses.map { $0 - addresses[0] }
      #expect(places == [0, 24, 64, 88, 128, 152, 192, 216, 256, 280])
      let large = try test.devices.makePool(for: device, blocks: ByteCount(5000))
      let block = try test.devices.allocate(from: large)
      #expect(block.byteCount.value >= 5000 && block.address.value % 4096 == 0)
      #expect(test.devices.removeDevice(device) == 2)
    }
  }

  @Test func `what is no block, or free already, is not freed`() throws {
    try TestDevices.run { test in
      test.devices.startChecking()
      let device = try test.devices.addDevice(number: 1, mask: .all)
      let pool = try test.devices.makePool(for: device, blocks: ByteCount(64))
      let other = try test.devices.makePool(for: device, blocks: ByteCount(64))
      let block = try test.devices.allocate(from: pool)
      _ = try test.devices.allocate(from: other)
      for wrong in [block.address.value + 8, 0x4000] {
        #expect(throws: DeviceMemoryError.notMapped) {
          try test.devices.free(DeviceAddress(wrong), to: pool)
        }
      }
      #expect(throws: DeviceMemoryError.notMapped) {
        try test.devices.free(block.address, to: other)
      }
      try test.devices.free(block.address, to: pool)
      #expect(throws: DeviceMemoryError.notMapped) {
        try test.devices.free(block.address, to: pool)
      }
      #expect(test.devices.misuseCount == 4)
      _ = test.devices.removeDevice(device)
    }
  }

  @Test func `pools that cannot be are refused`() throws {
    try TestDevices.run { test in
      let device = try test.devices.addDevice(number: 1, mask: .all)
      func refused(_ size: UInt64, _ alignment: UInt64, _ boundary: UInt64) -> DeviceMemoryError? {
        do {
          _ = try test.devices.makePool(
            for: device, blocks: ByteCount(size), alignment: ByteCount(alignment),
            boundary: ByteCount(boundary))
          return nil
        } catch { return error }
      }
      #expect(refused(0, 8, 0) == .zeroSize)
      #expect(refused(8, 3, 0) == .invalidArgument)
      #expect(refused(8, 0, 0) == .invalidArgument)
      #expect(refused(100, 8, 64) == .invalidArgument)
      #expect(refused(100, 8, 1000) == .invalidArgument)
      #expect(refused(1 << 40, 8, 0) == .tooLarge)
      _ = test.devices.removeDevice(device)
    }
  }
}
