// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import KernelMappings
import Machine
import MemoryManagement
import MemoryUnits
import PageFrames
import PageTableFormats
import PageTables
import Reclaim
import SimulatedMachine
import Testing

typealias TestMachine = SimulatedMachine<X8664Format>

/// A machine's memory without processes: one task, disks that answer at once.
struct TestEnvironment: MemoryEnvironment {
  typealias Hardware = TestMachine
  let core: MemoryCore<TestMachine>
  /// What the only task may have locked.
  var lockLimit = ByteCount(.max)

  init(_ machine: TestMachine, areas: [ContiguousAreaRequest] = []) throws {
    let size = PageCount(machine.frameCount).bytes
    var description = BootDescription(
      memoryBytes: size, layout: .x86_64, zones: .x86_64,
      stack: KernelStack(top: VirtualAddress(0xFFFF_FFFF_8000_0000)))
    description.memory.append(.init(start: PhysicalAddress(0), byteCount: size))
    for (index, area) in areas.enumerated() { description.contiguousAreas[index] = area }
    core = try MemoryCore(machine: machine, description: description)
  }

  var machine: TestMachine { core.machine }
  var frames: PageFrames<TestMachine> { core.frames }
  var heap: ObjectHeap<TestMachine> { core.heap }
  var tables: PageTables<TestMachine> { core.tables }
  var memory: Resident<MemoryState> { core.memory }
  var currentProcess: UInt32 { 1 }
  var spaces: AddressSpaces<TestEnvironment> { AddressSpaces(self) }

  func relieve(_ shortfall: Shortfall) -> Relief {
    Reclaim(self).freeFilePages(for: shortfall) > .zero ? .progress : .none
  }

  var freeFrameCount: PageCount { frames.freePageCount + frames.cachedPageCount }

  /// The byte that every place of a test file's page holds.
  static func content(owner: UInt32, index: UInt64) -> UInt8 {
    UInt8(truncatingIfNeeded: UInt64(owner) * 31 + index * 7 + 1)
  }

  /// A page whose index is this can never be read.
  static var damagedIndex: UInt64 { 13 }

  func startReading(
    _ file: Reference<CachedFile>, index: UInt64, pageCount: Int, into first: PageFrameNumber
  ) throws(MemoryError) -> Int {
    if index == Self.damagedIndex { throw .inputOutput }
    for offset in 0..<pageCount {
      let page = index + UInt64(offset)
      // What comes before the damage is read all the same.
      if page == Self.damagedIndex { return offset }
      let byte = Self.content(owner: heap[file].owner, index: page)
      let frame = first + PageCount(offset)
      machine.withBytes(of: frame) { bytes in
        for place in 0..<bytes.byteCount { bytes.store(byte, at: place) }
      }
      spaces.readCompleted(file, index: page, frame: frame, succeeded: true)
    }
    return pageCount
  }

  /// Blocks of these files' pages are their indices, and what is written is gone.
  func reserve(
    _ file: Reference<CachedFile>, index: UInt64
  ) throws(MemoryError) -> UInt32 {
    if index == Self.fullIndex { throw .noSpace }
    return UInt32(truncatingIfNeeded: index)
  }

  /// A page whose index is this gets no block.
  static var fullIndex: UInt64 { 17 }

  func startWriting(
    _ file: Reference<CachedFile>, index: UInt64, pageCount: Int, from first: PageFrameNumber,
    block: UInt32, _ patience: Patience
  ) {
    for offset in 0..<pageCount {
      spaces.writeCompleted(file, frame: first + PageCount(offset), succeeded: true)
    }
  }

  func awaitTransfer() -> Bool { false }
  func wakeFlusher(_ urgency: FlusherUrgency) {}

  func sleep(on key: SleepKey) { preconditionFailure("nobody would wake the only task") }
  func wake(_ key: SleepKey) {}

  /// The same for a task that may lock so many pages.
  func limited(toLocked count: Int) -> Self {
    var environment = self
    environment.lockLimit = PageCount(count).bytes
    return environment
  }

  /// Checks all of memory, given every space that there is.
  func checkInvariants(_ all: [Reference<AddressSpace>]) throws {
    for space in all { try spaces.check(space) }
    try spaces.checkMappingCounts()
    try spaces.checkLocks()
  }
}

/// Runs a body with the memory of a machine of so many frames; afterwards no rule of the
/// machine was broken.
func withMemory(
  frameCount: Int, areas: [ContiguousAreaRequest] = [],
  _ body: (TestEnvironment) throws -> Void
) throws {
  try TestMachine.run(SimulationOptions(frameCount: frameCount)) { machine in
    try body(TestEnvironment(machine, areas: areas))
    #expect(machine.violations.isEmpty)
  }
}
