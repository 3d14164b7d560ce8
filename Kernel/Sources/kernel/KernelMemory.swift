// SPDX-License-Identifier: Apache-2.0

import BareMetalMachine
import KernelHeap
import KernelMappings
import Machine
import MemoryUnits
import PageFrames
import PageTables

/// The memory layers on the bare machine, from the loader's map to the kernel's own page table.
///
/// Linux: `setup_arch()`, `mm_core_init()`.
struct KernelMemory: BitwiseCopyable {
  let frames: PageFrames<BareMetalMachine>
  let heap: ObjectHeap<BareMetalMachine>
  let mappings: KernelMappings<BareMetalMachine>

  /// - Throws: `outOfMemory` where the machine is too small.
  init(
    machine: BareMetalMachine, information: BootInformation
  ) throws(AllocationError) {
    var memory = Self.bootMemory(information)
    frames = try PageFrames(machine: machine, memory: &memory, zones: .x86_64, cpuCount: 1)
    heap = try ObjectHeap(frames: frames, memory: &memory)
    frames.takeOver(&memory)
    mappings = try KernelMappings(tables: PageTables(frames: frames), layout: .x86_64)
    try map(information)
    mappings.activate()
  }

  /// RAM, less what boot, image and rings have taken.
  private static func bootMemory(_ information: BootInformation) -> BootMemory {
    var memory = BootMemory(limit: PhysicalAddress(.max))
    for index in 0..<information.memoryRangeCount {
      let range = information.memoryRanges[index]
      memory.add(from: range.start, range.byteCount)
    }
    for index in 0..<information.reserved.count {
      let range = information.reserved[index]
      memory.reserve(from: range.start, range.byteCount)
    }
    memory.reserve(from: information.bootTables.start, information.bootTables.byteCount)
    return memory
  }

  /// The image before the RAM that it lies in, as `KernelMappings` asks.
  private func map(_ information: BootInformation) throws(AllocationError) {
    for index in 0..<information.image.count {
      let part = information.image[index]
      let range = MappedRange(
        address: part.address, start: part.range.start, byteCount: part.range.byteCount)
      try mappings.mapImage(range, part.protection)
    }
    for index in 0..<information.memoryRangeCount {
      let range = information.memoryRanges[index]
      try mappings.mapMemory(from: range.start, range.byteCount)
    }
    try mappings.mapMemory(from: information.channel.start, information.channel.byteCount)
    for index in 0..<information.devices.count {
      let range = information.devices[index]
      try mappings.mapDevice(at: range.start, range.byteCount)
    }
  }
}
