// SPDX-License-Identifier: Apache-2.0

import DeviceMemory
import KernelHeap
import Machine
import MemoryUnits
import PageFrames
import PageTableFormats
import SimulatedMachine

/// Devices on a simulated machine of four zones, the last behind windows.
struct TestDevices {
  typealias Simulation = SimulatedMachine<X8664Format>

  let machine: Simulation
  let frames: PageFrames<Simulation>
  let heap: ObjectHeap<Simulation>
  let devices: DeviceMemory<Simulation>

  /// - Parameter ends: the frames behind the zones.
  static func run(
    _ ends: [UInt32] = [1024, 2048, 3072, 4096], _ body: (Self) throws -> Void
  ) throws {
    let options = SimulationOptions(
      frameCount: Int(ends[3]), directMapFrameCount: Int(ends[2]), seed: 1,
      initialContent: .garbage, freedFrames: .poisoned)
    try Simulation.run(options) { (machine: Simulation) throws in
      var memory = BootMemory(limit: machine.directMap.limit)
      memory.add(from: PhysicalAddress(0), PageCount(Int(ends[3])).bytes)
      let zones = ZoneLayout(
        dmaEnd: PageFrameNumber(ends[0]), dma32End: PageFrameNumber(ends[1]),
        normalEnd: PageFrameNumber(ends[2]), highMemoryEnd: PageFrameNumber(.max))
      let frames = try PageFrames(machine: machine, memory: &memory, zones: zones, cpuCount: 1)
      let liveness = machine.hostMemory(byteCount: Liveness.byteCount(for: machine.directMap))
      let heap = try ObjectHeap(
        frames: frames, memory: &memory, liveness: .tracked(liveness))
      frames.takeOver(&memory)
      let devices = try DeviceMemory(heap: heap)
      try body(Self(machine: machine, frames: frames, heap: heap, devices: devices))
      try frames.checkInvariants()
      heap.checkInvariants()
    }
  }

  /// Frames that nobody has.
  var unusedPageCount: Int {
    _ = heap.shrink()
    frames.drainCPULists()
    return frames.freePageCount.value
  }

  /// A frame with a word in it.
  func frame(_ zone: ZoneKind = .normal, word: UInt64) throws -> PageFrameNumber {
    let frame = try frames.allocate(FrameRequest(zoneLimit: zone)).surrender()
    machine.withBytes(of: frame) { bytes in
      for place in stride(from: 0, to: 4096, by: 8) { bytes.store(word, at: place) }
    }
    return frame
  }

  func word(_ frame: PageFrameNumber, at offset: Int = 0) -> UInt64 {
    machine.withBytes(of: frame) { $0.load(UInt64.self, at: offset) }
  }

  /// What the device sees at an address, or writes there.
  func see(_ address: DeviceAddress) -> UInt64 {
    machine.directMap.load(UInt64.self, at: PhysicalAddress(address.value))
  }

  func write(_ value: UInt64, _ address: DeviceAddress) {
    machine.directMap.store(value, at: PhysicalAddress(address.value))
  }
}
