// SPDX-License-Identifier: Apache-2.0

import DeviceMemory
import MemoryUnits
import PageFrames
import Testing

@Suite struct TransferTests {
  private static let size = ByteCount(4096)

  @Test func `what a device reaches is mapped where it is`() throws {
    try TestDevices.run { test in
      let device = try test.devices.addDevice(number: 1, mask: .all)
      let frame = try test.frame(word: 5)
      let address = try test.devices.map(frame.address, Self.size, .fromDevice, for: device)
      #expect(address.value == frame.address.value)
      #expect(test.devices.describe(device).transferCount == 1)
      try test.devices.unmap(address, Self.size, .fromDevice, of: device)
      #expect(test.devices.describe(device).transferCount == 0)
      #expect(test.devices.bouncePageCount == .zero)
      test.frames.release(frame)
    }
  }

  @Test func `what it does not reach is copied through a bounce buffer, both ways`() throws {
    try TestDevices.run { test in
      let device = try test.devices.addDevice(number: 1, mask: .all)
      try test.devices.forceBounce()
      let frame = try test.frame(.highMemory, word: 5)
      let address = try test.devices.map(
        frame.address + ByteCount(512), ByteCount(1024), .bothWays, for: device)
      #expect(address.value != frame.address.value + 512)
      #expect(address.value < 8 << 20)
      #expect(test.see(address) == 5)
      #expect(test.devices.bouncedByteCount.value == 2048)
      test.write(9, address)
      #expect(test.word(frame, at: 512) == 5)
      try test.devices.unmap(address, ByteCount(1024), .bothWays, of: device)
      #expect(test.word(frame, at: 512) == 9 && test.word(frame, at: 504) == 5)
      #expect(test.word(frame, at: 520) == 5 && test.devices.bouncedByteCount == .zero)
      #expect(test.devices.bouncedTransferCount == 1)
      test.frames.release(frame)
    }
  }

  @Test func `a transfer to the device does not change memory, a short one from it only a part`()
    throws
  {
    try TestDevices.run { test in
      let device = try test.devices.addDevice(number: 1, mask: .all)
      try test.devices.forceBounce()
      let frame = try test.frame(word: 5)
      let out = try test.devices.map(frame.address, Self.size, .toDevice, for: device)
      test.write(1, out)
      try test.devices.unmap(out, Self.size, .toDevice, of: device)
      #expect(test.word(frame) == 5)
      let into = try test.devices.map(frame.address, Self.size, .fromDevice, for: device)
      test.write(6, into)
      try test.devices.unmap(into, Self.size, .fromDevice, of: device)
      #expect(test.word(frame) == 6 && test.word(frame, at: 4088) == 5)
      test.frames.release(frame)
    }
  }

  @Test func `a part is handed over and back without an end`() throws {
    try TestDevices.run { test in
      let device = try test.devices.addDevice(number: 1, mask: .all)
      try test.devices.forceBounce()
      test.devices.startChecking()
      let frame = try test.frame(word: 5)
      let address = try test.devices.map(frame.address, Self.size, .bothWays, for: device)
      test.write(7, address)
      let word = ByteCount(8)
      try test.devices.synchronizeForKernel(address, word, .fromDevice, of: device)
      #expect(test.word(frame) == 7)
      test.machine.withBytes(of: frame) { $0.store(8 as UInt64, at: 0) }
      #expect(test.see(address) == 7)
      try test.devices.synchronizeForDevice(address, word, .toDevice, of: device)
      #expect(test.see(address) == 8)
      #expect(throws: DeviceMemoryError.outside) {
        try test.devices.synchronizeForDevice(
          address, from: ByteCount(4090), word, .toDevice, of: device)
      }
      try test.devices.unmap(address, Self.size, .bothWays, of: device)
      test.frames.release(frame)
    }
  }

  @Test func `buffers that are all in use are an error, and free again afterwards`() throws {
    try TestDevices.run { test in
      let before = test.unusedPageCount
      let device = try test.devices.addDevice(number: 1, mask: .all)
      try test.devices.forceBounce()
      let frame = try test.frame(word: 5)
      var addresses: [DeviceAddress] = []
      while let address = try? test.devices.map(
        frame.address, Self.size, .toDevice, for: device)
      {
        addresses.append(address)
      }
      #expect(addresses.count > 256)
      #expect(Set(addresses.map(\.value)).count == addresses.count)
      #expect(throws: DeviceMemoryError.zeroSize) {
        _ = try test.devices.map(frame.address, .zero, .toDevice, for: device)
      }
      #expect(throws: DeviceMemoryError.tooLarge) {
        _ = try test.devices.map(
          frame.address, test.devices.largestBounce + ByteCount(1), .toDevice, for: device)
      }
      for address in addresses {
        try test.devices.unmap(address, Self.size, .toDevice, of: device)
      }
      #expect(test.devices.bouncedByteCount == .zero)
      let again = try test.devices.map(frame.address, Self.size, .toDevice, for: device)
      #expect(again == addresses[0])
      #expect(test.devices.removeDevice(device) == 1)
      #expect(test.devices.bouncedByteCount == .zero)
      test.frames.release(frame)
      #expect(before - test.unusedPageCount > test.devices.bouncePageCount.value)
    }
  }

  @Test func `misuse is found where it is looked for`() throws {
    try TestDevices.run { test in
      test.devices.startChecking()
      test.devices.protectImage(from: PhysicalAddress(0x10_0000), to: PhysicalAddress(0x20_0000))
      let device = try test.devices.addDevice(number: 1, mask: .all)
      let other = try test.devices.addDevice(number: 2, mask: .all)
      let frame = try test.frame(word: 5)
      let devices = test.devices
      let address = try devices.map(frame.address, Self.size, .toDevice, for: device)
      #expect(throws: DeviceMemoryError.otherSize) {
        try devices.unmap(address, ByteCount(512), .toDevice, of: device)
      }
      #expect(throws: DeviceMemoryError.otherDirection) {
        try devices.unmap(address, Self.size, .fromDevice, of: device)
      }
      #expect(throws: DeviceMemoryError.otherDirection) {
        try devices.synchronizeForKernel(address, Self.size, .fromDevice, of: device)
      }
      #expect(throws: DeviceMemoryError.notMapped) {
        try devices.unmap(address, Self.size, .toDevice, of: other)
      }
      #expect(throws: DeviceMemoryError.otherKind) {
        try devices.freeCoherent(of: device, address, Self.size)
      }
      #expect(throws: DeviceMemoryError.kernelImage) {
        _ = try devices.map(
          PhysicalAddress(0x1F_FFFF), ByteCount(2), .toDevice, for: device)
      }
      try devices.unmap(address, Self.size, .toDevice, of: device)
      #expect(throws: DeviceMemoryError.notMapped) {
        try devices.unmap(address, Self.size, .toDevice, of: device)
      }
      #expect(devices.misuseCount == 7)
      _ = try devices.map(frame.address, Self.size, .toDevice, for: device)
      #expect(devices.removeDevice(device) == 1 && devices.removeDevice(other) == 0)
      test.frames.release(frame)
    }
  }

  @Test func `a bounced transfer is checked even where nobody looks for misuse`() throws {
    try TestDevices.run { test in
      let device = try test.devices.addDevice(number: 1, mask: .all)
      try test.devices.forceBounce()
      let frame = try test.frame(word: 5)
      let address = try test.devices.map(frame.address, Self.size, .toDevice, for: device)
      #expect(throws: DeviceMemoryError.otherDirection) {
        try test.devices.unmap(address, Self.size, .bothWays, of: device)
      }
      #expect(throws: DeviceMemoryError.otherSize) {
        try test.devices.unmap(address, ByteCount(8), .toDevice, of: device)
      }
      try test.devices.unmap(address, Self.size, .toDevice, of: device)
      #expect(throws: DeviceMemoryError.notMapped) {
        try test.devices.unmap(address, Self.size, .toDevice, of: device)
      }
      test.frames.release(frame)
    }
  }

  @Test func `without memory for its notes the checker stops, and transfers go on`() throws {
    try TestDevices.run { test in
      test.devices.startChecking()
      let device = try test.devices.addDevice(number: 1, mask: .all)
      test.frames.inject(FailureInjection(interval: 1))
      for page in 1..<2000 as Range<UInt64> {
        _ = try test.devices.map(
          PhysicalAddress(page * 4096), Self.size, .toDevice, for: device)
      }
      test.frames.inject(.none)
      try test.devices.unmap(DeviceAddress(4096), Self.size, .toDevice, of: device)
      #expect(test.devices.misuseCount == 0)
      #expect(test.devices.removeDevice(device) == 1998)
    }
  }
}
