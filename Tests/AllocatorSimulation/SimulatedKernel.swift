// SPDX-License-Identifier: Apache-2.0

import DeviceMemory
import KernelHeap
import KernelMappings
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames
import PageTableFormats
import PageTables
import SimulatedMachine

public typealias TestMachine = SimulatedMachine<X8664Format>

/// A machine with the allocators whose every frame and object a simulation follows.
public struct SimulatedKernel {
  public let machine: TestMachine
  let frames: PageFrames<TestMachine>
  let objects: ObjectHeap<TestMachine>
  let bytes: KernelHeap<TestMachine>
  /// Objects that are made with their slab.
  let made: ObjectCache<MadeObject>
  let mappings: KernelMappings<TestMachine>
  let devices: DeviceMemory<TestMachine>

  /// A quarter of the frames each is DMA, DMA32, NORMAL and HIGHMEM, the last behind windows.
  public init(
    frameCount: Int, cpuCount: Int, seed: UInt64, design: HeapDesign = .slub
  ) throws {
    let quarter = UInt32(frameCount / 4)
    let zones = ZoneLayout(
      dmaEnd: PageFrameNumber(quarter), dma32End: PageFrameNumber(2 * quarter),
      normalEnd: PageFrameNumber(3 * quarter), highMemoryEnd: PageFrameNumber(.max))
    machine = TestMachine(
      SimulationOptions(
        frameCount: frameCount, directMapFrameCount: 3 * frameCount / 4, cpuCount: cpuCount,
        seed: seed, initialContent: .garbage, eventStorage: .dropped, freedFrames: .poisoned))
    var memory = BootMemory(limit: machine.directMap.limit)
    memory.add(from: PhysicalAddress(0), PageCount(frameCount).bytes)
    frames = try PageFrames(machine: machine, memory: &memory, zones: zones, cpuCount: cpuCount)
    var heapOptions = HeapOptions()
    heapOptions.design = design
    let liveness = machine.hostMemory(byteCount: Liveness.byteCount(for: machine.directMap))
    objects = try ObjectHeap(
      frames: frames, memory: &memory, cpuCount: cpuCount, options: heapOptions,
      liveness: .tracked(liveness))
    bytes = KernelHeap(objects)
    made = try objects.makeCache(
      CacheRequest(name: "simulated-made", byteCount: ByteCount(400)),
      constructing: MadeObject.self)
    frames.takeOver(&memory)
    let tables = PageTables(frames: frames)
    mappings = try KernelMappings(tables: tables, heap: objects, layout: .x86_64)
    try mappings.mapMemory(from: PhysicalAddress(0), ByteCount(machine.directMap.limit.value))
    devices = try DeviceMemory(heap: objects)
    if frameCount > 2048, seed % 2 == 0 { try devices.forceBounce() }
  }

  /// Frames of the kernel's page table and of what lies beside it.
  private var ownFrameCount: Int {
    let tables = mappings.tables.tableCount(mappings.root).value + 1
    let bounce = devices.bouncePageCount.value + devices.bounceTablePageCount.value
    // A frame each for the state of areas and of devices.
    return tables + bounce + 2
  }

  /// From so many bytes on blocks are whole pages.
  var pageByteCount: Int { objects.design == .slob ? 4096 : 8193 }

  /// Checks the allocators against themselves, against the log and against the model.
  ///
  /// - Parameter usedFrameCount: the frames that callers hold, those of objects aside.
  /// - Precondition: no CPU is in a verb.
  public func check(usedFrameCount: Int) throws {
    mappings.areas.purge()
    try frames.checkInvariants()
    try mappings.tables.check(mappings.root, .kernel) { _, _, _ in }
    objects.checkInvariants()
    expect(firstDifferenceFromLog() == nil)
    let free = frames.freePageCount.value + frames.cachedPageCount.value
    let used = usedFrameCount + objects.pageCount.value + ownFrameCount
    expect(free + used == frames.managedPageCount.value)
  }

  /// The first frame whose descriptor says something else than the events.
  func firstDifferenceFromLog() -> Int? {
    machine.replay.states.indices.first { number in
      let frame = PageFrameNumber(UInt32(number))
      guard frames.table.contains(frame) else { return false }
      let state = machine.replay.states[number]
      let isInside = state.blockOrder == nil && state.kind != .free && state.kind != .reserved
      let head = isInside ? frames.table.head(of: frame) : frame
      let descriptor = frames.table[head]
      return descriptor.kind != state.kind
        || state.blockOrder.map { $0 != descriptor.order.value } ?? (isInside && head == frame)
        || (!isInside && descriptor.mappings != state.mappings)
    }
  }

  /// Gives back what CPUs keep at hand, one after the other, and checks that nothing is missing.
  ///
  /// - Precondition: everything was freed.
  public func checkEmpty() throws {
    mappings.areas.purge()
    machine.runInterleaved(seed: 1, rarity: .max) { _ in _ = objects.shrink() }
    frames.drainCPULists()
    expect(objects.pageCount == .zero)
    expect(frames.freePageCount.value + ownFrameCount == frames.managedPageCount.value)
    expect(machine.replay.freeFrameCount == frames.freePageCount.value)
    try check(usedFrameCount: 0)
  }
}
