// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import KernelMappings
import Machine
import MemoryUnits
import PageFrames
import PageTableFormats
import PageTables
import SimulatedMachine

/// A kernel's page table as the image of x86-64 asks for it, on a simulated machine of 8 MiB.
struct TestMappings {
  typealias Simulation = SimulatedMachine<X8664Format>

  let machine: Simulation
  let frames: PageFrames<Simulation>
  let heap: ObjectHeap<Simulation>
  let mappings: KernelMappings<Simulation>

  /// The image: text of three pages at 1 MiB, constants of two, data of five, no page, a stack.
  static let text = range(0x10_0000, 0x3000)
  static let constants = range(0x10_3000, 0x2000)
  static let data = range(0x10_5000, 0x5000)
  static let stack = range(0x10_B000, 0x4000)
  static let imageBase: UInt64 = 0xFFFF_FFFF_8000_0000
  static let device = PhysicalAddress(0xFEE0_0000)
  static let memorySize = ByteCount(0x80_0000)

  static func range(_ start: UInt64, _ size: UInt64) -> MappedRange {
    MappedRange(
      address: VirtualAddress(imageBase + start), start: PhysicalAddress(start),
      byteCount: ByteCount(size))
  }

  static func run(
    seed: UInt64 = 1, violations: SimulationOptions.ViolationResponse = .trap,
    _ body: (Self) throws -> Void
  ) throws {
    let options = SimulationOptions(
      frameCount: 2048, seed: seed, violationResponse: violations, freedFrames: .poisoned)
    try Simulation.run(options) { (machine: Simulation) throws in
      var memory = BootMemory(limit: machine.directMap.limit)
      memory.add(from: PhysicalAddress(0), memorySize)
      memory.reserve(from: text.start, ByteCount(0xF000))
      let frames = try PageFrames(
        machine: machine, memory: &memory, zones: .x86_64, cpuCount: 1)
      let liveness = machine.hostMemory(byteCount: Liveness.byteCount(for: machine.directMap))
      let heap = try ObjectHeap(
        frames: frames, memory: &memory, liveness: .tracked(liveness))
      frames.takeOver(&memory)
      let mappings = try KernelMappings(
        tables: PageTables(frames: frames), heap: heap, layout: .x86_64)
      try mappings.mapImage(text, [.read, .execute])
      try mappings.mapImage(constants, .read)
      try mappings.mapImage(data, [.read, .write])
      try mappings.mapImage(stack, [.read, .write])
      try mappings.mapMemory(from: PhysicalAddress(0), memorySize)
      try mappings.mapDevice(at: device, ByteCount(0x1000))
      mappings.activate()
      try body(TestMappings(machine: machine, frames: frames, heap: heap, mappings: mappings))
    }
  }

  func leaf(_ address: UInt64) -> DecodedEntry.Leaf? {
    mappings.tables.translate(mappings.root, VirtualAddress(address))?.leaf
  }

  var plainFrameCount: Int {
    (0..<UInt32(2048)).count { frames.table[PageFrameNumber($0)].kind == .plain }
  }

  func canAccess(_ address: VirtualAddress, _ kind: Trap.Access) -> Bool {
    (try? machine.access(address, kind, by: .kernel)) != nil
  }
}
