// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures
import Machine
import MemoryEvents
import MemoryUnits

/// The page allocator: which frames are free, and who has the others.
///
/// A value that is a reference: copies are the same allocator. All verbs may be called by several
/// CPUs at once. Locks: a CPU's lists, then a zone's. Nothing sleeps except a `relief`.
///
///     allocate ── this CPU's lists ── zones, highest allowed first, under their marks
///     free ────── this CPU's lists ── a batch to the zone when they are long
///
/// Linux: `mm/page_alloc.c`.
public struct PageFrames<M: Machine>: BitwiseCopyable {
  let state: Resident<FrameState<M>>

  public var machine: M { state.value.machine }
  /// All descriptors.
  public var table: FrameTable { state.value.table }
  /// Where the first descriptor is, for readers from outside.
  public var tableAddress: PhysicalAddress { state.value.tableAddress }
  public var pageBlocks: PageBlocks { state.value.pageBlocks }

  /// The lists of the running CPU, whose number is masked rather than checked.
  var ownLists: Locked<CPUFrameLists> {
    let machine = machine
    return state.value.cpus[Int(machine.currentCPU.value) & (CPUNumber.maximumCount - 1)]
  }

  /// Builds the descriptors and empty zones out of boot memory; `takeOver` fills them.
  ///
  /// - Throws: `outOfMemory` where the machine is too small for its own tables.
  /// - Precondition: all RAM is in the memory map; one to `CPUNumber.maximumCount` CPUs.
  public init(
    machine: M, memory: inout BootMemory, zones layout: ZoneLayout, cpuCount: Int
  ) throws(AllocationError) {
    precondition(cpuCount > 0 && cpuCount <= CPUNumber.maximumCount, "more CPUs than laid out for")
    let count = Int(memory.endFrame.value)
    let size = ByteCount(UInt64(count * FrameDescriptor.byteCount))
    precondition(MemoryLayout<FrameDescriptor>.size == FrameDescriptor.byteCount, "descriptor")
    let tableAddress = try memory.allocate(size)
    let table = FrameTable(
      repeating: FrameDescriptor(.reserved, zone: .dma), count: count,
      in: machine.directMap.block(at: tableAddress, byteCount: size))
    let blockCount = count >> Int(PageBlocks.shift) + 1
    let pageBlocks = PageBlocks(
      mobilities: ResidentArray(
        repeating: Mobility.movable.rawValue, count: blockCount,
        in: try memory.allocateBlock(ByteCount(UInt64(blockCount)), on: machine)))

    let dma = try Self.makeZone(.dma, layout, &memory, machine, pageBlocks)
    var zoneSet = InlineArray<4, Zone>(repeating: dma)
    for index in 1..<ZoneKind.count {
      zoneSet[index] = try Self.makeZone(
        ZoneKind(bits: UInt16(index)), layout, &memory, machine, pageBlocks)
    }
    var cpus = InlineArray<4, Locked<CPUFrameLists>>(
      repeating: try Self.makeCPULists(0, &memory, machine))
    for index in 1..<cpuCount { cpus[index] = try Self.makeCPULists(index, &memory, machine) }
    state = Resident(
      placing: FrameState(
        machine: machine, table: table, tableAddress: tableAddress, pageBlocks: pageBlocks,
        zones: zoneSet, cpus: cpus, cpuCount: cpuCount,
        failures: try Self.makeFailures(&memory, machine),
        areas: try Self.makeAreas(&memory, machine), areaCount: memory.contiguousAreaCount),
      in: try memory.allocateBlock(
        ByteCount(UInt64(MemoryLayout<FrameState<M>>.size)), on: machine))
    for index in 1..<ZoneKind.count { markZone(ZoneKind(bits: UInt16(index))) }
  }

  private static func makeZone(
    _ kind: ZoneKind, _ layout: ZoneLayout, _ memory: inout BootMemory, _ machine: M,
    _ pageBlocks: PageBlocks
  ) throws(AllocationError) -> Zone {
    let first = min(layout.start(of: kind), memory.endFrame)
    let end = min(layout.end(of: kind), memory.endFrame)
    let block = try memory.allocateBlock(
      ByteCount(UInt64(Locked<BuddyLists>.byteCount)), on: machine)
    return Zone(
      first: first, end: end, present: memory.presentPageCount(from: first, to: end),
      lists: Locked(placing: BuddyLists(zone: kind, pageBlocks), rank: .zone, in: block))
  }

  private static func makeCPULists(
    _ cpu: Int, _ memory: inout BootMemory, _ machine: M
  ) throws(AllocationError) -> Locked<CPUFrameLists> {
    let block = try memory.allocateBlock(
      ByteCount(UInt64(Locked<CPUFrameLists>.byteCount)), on: machine)
    return Locked(placing: CPUFrameLists(cpu: cpu), rank: .cpuList, in: block)
  }

  private static func makeFailures(
    _ memory: inout BootMemory, _ machine: M
  ) throws(AllocationError) -> Locked<FailureInjection> {
    let block = try memory.allocateBlock(
      ByteCount(UInt64(Locked<FailureInjection>.byteCount)), on: machine)
    return Locked(placing: .none, rank: .failureInjection, in: block)
  }

  /// Writes a zone into the descriptors of its frames.
  private func markZone(_ kind: ZoneKind) {
    let zone = state.value.zones[kind.index]
    var frame = zone.first
    while frame < zone.end {
      table[frame].flagsAndZone = FrameDescriptor.pack(FrameFlags(), kind)
      frame = frame + PageCount(1)
    }
  }
}

extension PageFrames: Sendable where M: Sendable {}
