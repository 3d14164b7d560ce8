// SPDX-License-Identifier: Apache-2.0

import DeviceMemory
import MemoryUnits
import Testing

/// The text's example of dma_alloc_coherent and dma_free_coherent.
///
/// `Documentation/TheText/KernelMemory.md` has the marked lines.
@Suite struct TheTextDeviceMemoryTests {
  @Test func `a device and the kernel share a buffer`() throws {
    try TestDevices.run { test in
      let (devices, size) = (test.devices, ByteCount(6000))

      let device = try devices.addDevice(number: 1, mask: AddressMask(bits: 32))
      let buffer = try devices.allocateCoherent(for: device, size)
      buffer.memory.store(UInt64(42), at: 0)
      let seen = test.see(buffer.address)
      try devices.freeCoherent(of: device, buffer.address, size)

      #expect(seen == 42)
      #expect(devices.removeDevice(device) == 0)
    }
  }
}
