// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import DeviceMemory
import KernelHeap
import KernelMappings
import Machine
import MemoryManagement
import MemoryUnits
import PageFrames
import PageTableFormats
import PageTables
import SelfTests
import SimulatedMachine

typealias Simulation = SimulatedMachine<X8664Format>

/// A machine's memory and two disks, without anything that runs.
struct TestKernel: SelfTestEnvironment {
  /// The transfers under way, by tag.
  struct Flights: BitwiseCopyable {
    var tags: UInt64 = 0
  }

  static var diskByteCount: Int { 64 << 10 }

  let core: MemoryCore<Simulation>
  let flights: Resident<Flights>

  init(_ machine: Simulation, design: HeapDesign, area: ContiguousAreaRequest?) throws {
    let size = PageCount(machine.frameCount).bytes
    var description = BootDescription(
      memoryBytes: size, layout: .x86_64, zones: .x86_64,
      stack: KernelStack(top: VirtualAddress(0xFFFF_FFFF_8010_F000)))
    description.memory.append(.init(start: PhysicalAddress(0), byteCount: size))
    description.contiguousAreas[0] = area
    var options = HeapOptions()
    options.design = design
    core = try MemoryCore(machine: machine, description: description, heapOptions: options)
    flights = Resident(placing: Flights(), in: machine.hostMemory(byteCount: 64))
    for disk in 0..<2 {
      let bytes = (0..<Self.diskByteCount).map { UInt8(truncatingIfNeeded: $0 / 512 * 7 + disk) }
      machine.setDiskContents(disk, bytes)
    }
  }

  var machine: Simulation { core.machine }
  var frames: PageFrames<Simulation> { core.frames }
  var heap: ObjectHeap<Simulation> { core.heap }
  var tables: PageTables<Simulation> { core.tables }
  var memory: Resident<MemoryState> { core.memory }
  var mappings: KernelMappings<Simulation> { core.mappings }
  var devices: DeviceMemory<Simulation> { core.devices }
  var currentProcess: UInt32 { 1 }

  func byteCount(ofDisk disk: Int) -> ByteCount {
    disk < 2 ? ByteCount(UInt64(Self.diskByteCount)) : .zero
  }

  func startReading(
    disk: Int, block: UInt32, pageCount: Int, into first: PageFrameNumber
  ) {
    let tag = (~flights.value.tags).trailingZeroBitCount
    flights.value.tags |= 1 << UInt64(tag)
    machine.submit(
      DiskTransfer(
        disk: UInt8(disk), direction: .read, tag: UInt16(tag), sector: UInt64(block) * 8,
        address: first.address, byteCount: PageCount(pageCount).bytes))
  }

  func awaitTransfer() -> Bool {
    guard flights.value.tags != 0 else { return false }
    let tag = flights.value.tags.trailingZeroBitCount
    flights.value.tags &= ~(1 << UInt64(tag))
    precondition(machine.finish(tag: UInt16(tag)))
    return true
  }

  func relieve(_ shortfall: Shortfall) -> Relief { .none }

  // There are no files, and nobody to wait for

  func startReading(
    _ file: Reference<CachedFile>, index: UInt64, pageCount: Int, into first: PageFrameNumber
  ) throws(MemoryError) -> Int { throw .inputOutput }

  func reserve(
    _ file: Reference<CachedFile>, index: UInt64
  ) throws(MemoryError) -> UInt32 { throw .noSpace }

  func startWriting(
    _ file: Reference<CachedFile>, index: UInt64, pageCount: Int, from first: PageFrameNumber,
    block: UInt32, _ patience: Patience
  ) { preconditionFailure("there are no files") }

  func wakeFlusher(_ urgency: FlusherUrgency) {}
  func sleep(on key: SleepKey) { preconditionFailure("nobody would wake the only task") }
  func wake(_ key: SleepKey) {}
}
