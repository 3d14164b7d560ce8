// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import DeviceMemory
import KernelHeap
import KernelMappings
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames
import PageTables

/// The memory of one machine, composed: frames, heap, page tables, the kernel's own mappings.
///
/// Linux: `mm_core_init()` and what `setup_arch()` does for it.
public struct MemoryCore<M: Machine>: BitwiseCopyable {
  public let machine: M
  public let frames: PageFrames<M>
  public let heap: ObjectHeap<M>
  public let tables: PageTables<M>
  public let mappings: KernelMappings<M>
  public let devices: DeviceMemory<M>
  public let memory: Resident<MemoryState>
  /// The first contiguous area that the machine cannot have, and why; the others it has.
  public let refusedArea: RefusedArea?

  /// An area that was asked for and is not there.
  public struct RefusedArea: BitwiseCopyable, Sendable {
    public let index: Int
    public let reason: ContiguousAreaError
  }

  /// Builds everything out of the RAM that the description lists, and makes the kernel's own
  /// page table the current one.
  ///
  /// The order is fixed: boot tables, then the zones take the rest, then what needs frames.
  ///
  /// - Throws: `outOfMemory` where the machine is too small for its own tables.
  /// - Context: once, before anything else.
  public init(
    machine: M, description: BootDescription, heapOptions: HeapOptions = HeapOptions(),
    liveness: Liveness = .untracked
  ) throws(AllocationError) {
    self.machine = machine
    var boot = BootMemory(limit: machine.directMap.limit)
    for index in 0..<description.memory.count {
      boot.add(from: description.memory[index].start, description.memory[index].byteCount)
    }
    for index in 0..<description.reserved.count {
      boot.reserve(from: description.reserved[index].start, description.reserved[index].byteCount)
    }
    for index in 0..<description.temporary.count {
      boot.reserve(
        from: description.temporary[index].start, description.temporary[index].byteCount)
    }
    refusedArea = Self.reserveAreas(description, &boot)
    frames = try PageFrames(
      machine: machine, memory: &boot, zones: description.zones, cpuCount: description.cpuCount)
    heap = try ObjectHeap(
      frames: frames, memory: &boot, cpuCount: description.cpuCount, options: heapOptions,
      liveness: liveness)
    let stateBlock = try boot.allocateBlock(
      ByteCount(UInt64(MemoryLayout<MemoryState>.size)), on: machine)
    frames.takeOver(&boot)
    tables = PageTables(frames: frames)
    mappings = try Self.mapKernel(tables, heap, description)
    for index in 0..<description.temporary.count {
      let range = description.temporary[index]
      frames.addMemory(from: range.start, range.byteCount)
    }
    devices = try DeviceMemory(heap: heap)
    let zeroRequest = FrameRequest(kind: .plain, content: .zeroed)
    let zeroFrame = try frames.allocate(zeroRequest).surrender()
    memory = Resident(
      placing: MemoryState(zeroFrame: zeroFrame, kernelRoot: mappings.root), in: stateBlock)
  }

  /// Before any boot table, which would stand in the way.
  private static func reserveAreas(
    _ description: BootDescription, _ boot: inout BootMemory
  ) -> RefusedArea? {
    var refused: RefusedArea?
    for index in 0..<description.contiguousAreas.count {
      guard let request = description.contiguousAreas[index] else { continue }
      do throws(ContiguousAreaError) {
        try boot.reserve(request, zones: description.zones)
      } catch {
        if refused == nil { refused = RefusedArea(index: index, reason: error) }
      }
    }
    return refused
  }

  private static func mapKernel(
    _ tables: PageTables<M>, _ heap: ObjectHeap<M>, _ description: BootDescription
  ) throws(AllocationError) -> KernelMappings<M> {
    let mappings = try KernelMappings(
      tables: tables, heap: heap, layout: description.layout,
      largestLevel: description.largestPageLevel)
    for index in 0..<description.image.count {
      guard let part = description.image[index] else { continue }
      try mappings.mapImage(part.range, part.protection)
    }
    for index in 0..<description.memory.count {
      let range = description.memory[index]
      try mappings.mapMemory(from: range.start, range.byteCount)
    }
    for index in 0..<description.hidden.count {
      let range = description.hidden[index]
      try mappings.mapMemory(from: range.start, range.byteCount)
    }
    for index in 0..<description.devices.count {
      let range = description.devices[index]
      try mappings.mapDevice(at: range.start, range.byteCount)
    }
    mappings.activate()
    return mappings
  }
}
