// SPDX-License-Identifier: Apache-2.0

import DeviceMemory
import KernelHeap
import Machine
import MemoryUnits
import PageFrames
import SimulatedMachine

// Memory that devices read and write.

extension SimulatedUser {
  /// A device of each mask, and pools of two of them.
  struct Hardware {
    let devices: [Reference<Device>]
    let pools: [Reference<DevicePool>]

    init?(_ kernel: SimulatedKernel) {
      do {
        devices = try [24, 32, 64].map {
          try kernel.devices.addDevice(number: UInt32($0), mask: AddressMask(bits: $0))
        }
        pools = [
          try kernel.devices.makePool(for: devices[0], blocks: ByteCount(48)),
          try kernel.devices.makePool(
            for: devices[2], blocks: ByteCount(300), boundary: ByteCount(1024)),
        ]
      } catch {
        return nil
      }
    }
  }

  /// Something of a device's, with the word in it.
  enum Holding {
    case coherent(CoherentMemory, device: Int, stamp: UInt64)
    case block(CoherentMemory, pool: Int, stamp: UInt64)
  }

  var deviceFrameCount: Int {
    guard let hardware else { return 0 }
    return hardware.devices.reduce(0) {
      $0 + kernel.devices.describe($1).coherentPageCount.value
    }
  }

  func useDevices(_ getsMore: Bool) {
    guard hasKernelLock, let hardware else { return lookAtObject() }
    switch generator.number(below: 8) {
    case 0, 1: transfer(hardware)
    case 2, 3, 4: getsMore ? allocateCoherent(hardware) : freeHolding(hardware)
    default: getsMore ? allocateFromPool(hardware) : freeHolding(hardware)
    }
  }

  private func allocateCoherent(_ hardware: Hardware) {
    let device = generator.number(below: 3)
    let size = ByteCount(UInt64(1 + generator.number(below: 40_000)))
    let stamp = generator.next()
    let memory = attemptDevice { () throws(DeviceMemoryError) in
      try kernel.devices.allocateCoherent(for: hardware.devices[device], size)
    }
    guard let memory else { return }
    let words = memory.byteCount.value / 8
    let place = Int(generator.next() % words) * 8
    expect(memory.memory.load(UInt64.self, at: place) == 0, "coherent memory is zeroed")
    expect(memory.byteCount == size.pagesRoundedUp.bytes, "coherent memory is whole pages")
    memory.memory.store(stamp, at: memory.memory.byteCount - 8)
    holdings.append(.coherent(memory, device: device, stamp: stamp))
  }

  private func allocateFromPool(_ hardware: Hardware) {
    let pool = generator.number(below: 2)
    let stamp = generator.next()
    let block = attemptDevice { () throws(DeviceMemoryError) in
      try kernel.devices.allocate(from: hardware.pools[pool])
    }
    guard let block else { return }
    block.memory.store(stamp, at: block.memory.byteCount - 8)
    holdings.append(.block(block, pool: pool, stamp: stamp))
  }

  private func freeHolding(_ hardware: Hardware) {
    guard let holding = takeRandom(from: &holdings) else { return }
    do throws(DeviceMemoryError) {
      switch holding {
      case .coherent(let memory, let device, let stamp):
        check(memory, stamp)
        try kernel.devices.freeCoherent(
          of: hardware.devices[device], memory.address, memory.byteCount)
      case .block(let memory, let pool, let stamp):
        check(memory, stamp)
        try kernel.devices.free(memory.address, to: hardware.pools[pool])
      }
    } catch {
      expect(false, "what a device had is not there: \(error)")
    }
  }

  private func check(_ memory: CoherentMemory, _ stamp: UInt64) {
    let word = memory.memory.load(UInt64.self, at: memory.memory.byteCount - 8)
    expect(word == stamp, "memory of a device at \(memory.address.value)")
  }

  /// A transfer from a device into a block, with what it writes in the middle.
  private func transfer(_ hardware: Hardware) {
    guard let block = blocks.last else { return }
    let device = hardware.devices[generator.number(below: 3)]
    let start = block.frame.address + ByteCount(1024)
    let size = ByteCount(1536)
    let word = generator.next()
    let address = attemptDevice { () throws(DeviceMemoryError) in
      try kernel.devices.map(start, size, .fromDevice, for: device)
    }
    guard let address else { return }
    kernel.machine.withBytes(of: address.physical.frame) { bytes in
      bytes.store(word, at: Int(address.physical.offsetInFrame.value) + 64)
    }
    do throws(DeviceMemoryError) {
      try kernel.devices.unmap(address, size, .fromDevice, of: device)
    } catch {
      expect(false, "a transfer that was begun does not end: \(error)")
    }
    let seen = kernel.machine.withBytes(of: block.frame) { $0.load(UInt64.self, at: 1024 + 64) }
    expect(seen == word, "what a device wrote")
  }

  private func attemptDevice<Value>(
    _ body: () throws(DeviceMemoryError) -> Value
  ) -> Value? {
    do throws(DeviceMemoryError) {
      return try body()
    } catch {
      expect(error == .outOfMemory || error == .noBounceBuffer, "\(error)")
      noteFailure()
      return nil
    }
  }

  /// Gives back what devices have, and the devices.
  func finishDevices() {
    guard let hardware else { return }
    while !holdings.isEmpty { freeHolding(hardware) }
    do throws(DeviceMemoryError) {
      for pool in hardware.pools { try kernel.devices.destroy(pool) }
    } catch {
      expect(false, "a pool is busy although all is free")
    }
    for device in hardware.devices {
      expect(kernel.devices.removeDevice(device) == 0, "a device leaks")
    }
  }
}
