// SPDX-License-Identifier: Apache-2.0

import DeviceMemory
import KernelHeap
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames

// Memory that devices read and write.

extension SelfTests {
  func testDeviceMemory(_ checks: inout SelfTestChecks) {
    do throws(DeviceMemoryError) {
      try checkCoherent(.isa, &checks)
      try checkCoherent(.bits32, &checks)
      try checkCoherent(.all, &checks)
      try checkPool(&checks)
      try checkTransfers(&checks)
    } catch {
      checks.check(false, "there is memory for devices")
    }
    checks.check(refuses(AddressMask(bits: 8)), "a mask that nothing satisfies is refused")
  }

  private func checkCoherent(
    _ mask: AddressMask, _ checks: inout SelfTestChecks
  ) throws(DeviceMemoryError) {
    let device = try devices.addDevice(number: 0x7E57, mask: mask)
    let memory = try devices.allocateCoherent(for: device, ByteCount(5 * 4096 - 8))
    checks.check(memory.byteCount.value == 5 * 4096, "coherent memory is whole pages")
    checks.check(
      memory.address.value + memory.byteCount.value - 1 <= mask.last,
      "a device reaches its coherent memory")
    checks.check(isZero(memory.address.physical.frame, .zero), "coherent memory is zeroed")
    memory.memory.store(0x1234_5678 as UInt32, at: 16)
    let seen = frames.machine.directMap.load(
      UInt32.self, at: memory.address.physical + ByteCount(16))
    checks.check(seen == 0x1234_5678, "both see the same memory")
    checks.check(
      !canFree(memory.address, ByteCount(4096), device), "the wrong size is not freed")
    checks.check(
      canFree(memory.address, memory.byteCount, device), "coherent memory is given back")
    checks.check(!canFree(memory.address, memory.byteCount, device), "and not twice")
    checks.check(devices.removeDevice(device) == 0, "a device that gave all back leaks nothing")
  }

  private func checkPool(_ checks: inout SelfTestChecks) throws(DeviceMemoryError) {
    let device = try devices.addDevice(number: 0x7E57, mask: .bits32)
    let pool = try devices.makePool(
      for: device, blocks: ByteCount(100), alignment: ByteCount(32), boundary: ByteCount(512))
    var isApart = true
    var last = DeviceAddress(0)
    for _ in 0..<40 {
      let block = try devices.allocate(from: pool)
      let end = block.address.value + block.byteCount.value - 1
      isApart =
        isApart && block.address != last && block.address.value & 31 == 0
        && block.address.value / 512 == end / 512
      last = block.address
    }
    checks.check(isApart, "blocks of a pool are aligned and cross no boundary")
    try devices.free(last, to: pool)
    checks.check(
      try devices.allocate(from: pool).address == last, "a block that was freed comes again")
    checks.check(devices.removeDevice(device) == 1, "a pool that is left is a leak")
  }

  private func checkTransfers(_ checks: inout SelfTestChecks) throws(DeviceMemoryError) {
    let device = try devices.addDevice(number: 0x7E57, mask: .all)
    let memory = try devices.allocateCoherent(for: device, ByteCount(4096))
    let place = memory.address.physical
    let size = ByteCount(2048)
    memory.memory.store(7 as UInt64, at: 0)
    let address = try devices.map(place, size, .bothWays, for: device)
    frames.machine.directMap.store(8 as UInt64, at: address.physical)
    try devices.unmap(address, size, .bothWays, of: device)
    checks.check(
      memory.memory.load(UInt64.self, at: 0) == 8, "what a device wrote is there afterwards")
    checks.check(devices.describe(device).transferCount == 0, "a transfer ends")
    try devices.freeCoherent(of: device, memory.address, memory.byteCount)
    _ = devices.removeDevice(device)
  }

  private func canFree(
    _ address: DeviceAddress, _ size: ByteCount, _ device: Reference<Device>
  ) -> Bool {
    do throws(DeviceMemoryError) {
      try devices.freeCoherent(of: device, address, size)
      return true
    } catch {
      return false
    }
  }

  private func refuses(_ mask: AddressMask) -> Bool {
    do throws(DeviceMemoryError) {
      _ = devices.removeDevice(try devices.addDevice(number: 0x7E57, mask: mask))
      return false
    } catch {
      return error == .unreachable
    }
  }
}
