// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryEvents
import MemoryUnits
import PageTableFormats
import SimulatedMachine
import Testing

typealias TestMachine = SimulatedMachine<X8664Format>

/// Tables in fixed frames: 1 is the root, 2 to 4 lead to the pages at address 0.
struct SmallTables {
  let machine: TestMachine

  init(_ machine: TestMachine) {
    self.machine = machine
    for table in 1...3 {
      let next = PageFrameNumber(UInt32(table) + 1)
      write(X8664Format.table(next, level: 4 - table), table: UInt64(table), index: 0)
    }
    machine.activate(root: PageFrameNumber(1))
  }

  func write(_ entry: UInt64, table: UInt64, index: Int) {
    machine.directMap.store(entry, at: PhysicalAddress(table << 12 + UInt64(index) * 8))
  }

  func map(page: Int, frame: UInt32, _ protection: Protection) {
    write(
      X8664Format.leaf(PageFrameNumber(frame), protection, level: 0), table: 4, index: page)
  }
}

struct TranslationTests {
  let readWrite = Protection.read.union(.write).union(.user)

  @Test func `a read sets accessed, a write also dirty`() throws {
    try TestMachine.run(SimulationOptions(frameCount: 16)) { machine in
      let tables = SmallTables(machine)
      tables.map(page: 1, frame: 8, readWrite)
      let root = PageFrameNumber(1)
      let address = VirtualAddress(0x1010)
      #expect(machine.translate(address, root: root)?.leaf.isAccessed == false)
      #expect(try machine.access(address, .read, by: .user) == PhysicalAddress(0x8010))
      #expect(machine.translate(address, root: root)?.leaf.isAccessed == true)
      #expect(machine.translate(address, root: root)?.leaf.isDirty == false)
      try machine.store(UInt32(7), at: address)
      #expect(machine.translate(address, root: root)?.leaf.isDirty == true)
      #expect(machine.directMap.load(UInt32.self, at: PhysicalAddress(0x8010)) == 7)
    }
  }

  @Test func `a translation stays until it is flushed`() throws {
    try TestMachine.run(SimulationOptions(frameCount: 16)) { machine in
      let tables = SmallTables(machine)
      tables.map(page: 0, frame: 8, readWrite)
      try machine.store(UInt32(1), at: VirtualAddress(0))
      tables.map(page: 0, frame: 9, readWrite)
      #expect(try machine.access(VirtualAddress(0), .read, by: .user).frame.value == 8)
      #expect(machine.isCached(PageFrameNumber(8)))
      machine.flush(.page(VirtualAddress(0)))
      #expect(!machine.isCached(PageFrameNumber(8)))
      #expect(try machine.access(VirtualAddress(0), .read, by: .user).frame.value == 9)
    }
  }

  @Test func `faults say why`() {
    TestMachine.run(SimulationOptions(frameCount: 16)) { machine in
      let tables = SmallTables(machine)
      tables.map(page: 0, frame: 8, .read.union(.user))
      tables.map(page: 1, frame: 16, readWrite)
      tables.map(page: 2, frame: 9, .read.union(.write))
      #expect(throws: AccessFault.rights) {
        try machine.access(VirtualAddress(0), .write, by: .user)
      }
      #expect(throws: AccessFault.rights) {
        try machine.access(VirtualAddress(0), .execute, by: .user)
      }
      #expect(throws: AccessFault.rights) {
        try machine.access(VirtualAddress(0), .read, by: .kernel)
      }
      #expect(throws: AccessFault.reserved) {
        try machine.access(VirtualAddress(0x1000), .read, by: .user)
      }
      #expect(throws: AccessFault.rights) {
        try machine.access(VirtualAddress(0x2000), .read, by: .user)
      }
      #expect(throws: AccessFault.missing) {
        try machine.access(VirtualAddress(0x3000), .read, by: .user)
      }
    }
  }

  @Test func `a frame freed before the flush is noticed`() throws {
    let options = SimulationOptions(frameCount: 16, violationResponse: .collect)
    try TestMachine.run(options) { machine in
      machine.record(MemoryEvent(.framesReleased, frame: 4, value: 12))
      machine.record(MemoryEvent(.frameAllocated, detail: 6 << 8, frame: 8))
      let tables = SmallTables(machine)
      tables.map(page: 0, frame: 8, readWrite)
      _ = try machine.access(VirtualAddress(0), .read, by: .user)
      tables.write(0, table: 4, index: 0)
      machine.record(MemoryEvent(.frameFreed, frame: 8))
      #expect(machine.violations.count == 1)
      #expect(machine.violations.first?.contains("still caches") == true)
    }
  }

  @Test func `a write through a clean translation walks again and marks the entry`() throws {
    try TestMachine.run(SimulationOptions(frameCount: 16)) { machine in
      let tables = SmallTables(machine)
      tables.map(page: 0, frame: 8, readWrite)
      _ = try machine.access(VirtualAddress(0), .read, by: .user)
      tables.map(page: 0, frame: 9, readWrite)
      #expect(try machine.access(VirtualAddress(0), .write, by: .user).frame.value == 9)
      #expect(machine.translate(VirtualAddress(0), root: PageFrameNumber(1))?.leaf.isDirty == true)
    }
  }

  @Test func `rights that were given do not help before the next fault`() throws {
    try TestMachine.run(SimulationOptions(frameCount: 16)) { machine in
      let tables = SmallTables(machine)
      tables.map(page: 0, frame: 8, .read.union(.user))
      _ = try machine.access(VirtualAddress(0), .read, by: .user)
      tables.map(page: 0, frame: 8, readWrite)
      #expect(throws: AccessFault.rights) {
        try machine.access(VirtualAddress(0), .write, by: .user)
      }
      #expect(try machine.access(VirtualAddress(0), .write, by: .user).frame.value == 8)
    }
  }

  @Test func `a table is remembered until a flush`() throws {
    try TestMachine.run(SimulationOptions(frameCount: 16)) { machine in
      let tables = SmallTables(machine)
      tables.map(page: 0, frame: 8, readWrite)
      _ = try machine.access(VirtualAddress(0), .read, by: .user)
      tables.write(0, table: 3, index: 0)
      #expect(machine.isCached(PageFrameNumber(4)))
      tables.map(page: 1, frame: 9, readWrite)
      #expect(try machine.access(VirtualAddress(0x1000), .read, by: .user).frame.value == 9)
      machine.flush(.page(VirtualAddress(0x5000)))
      #expect(!machine.isCached(PageFrameNumber(4)))
      #expect(throws: AccessFault.missing) {
        try machine.access(VirtualAddress(0x2000), .read, by: .user)
      }
    }
  }

  @Test func `global translations outlive a change of space but not everything`() throws {
    try TestMachine.run(SimulationOptions(frameCount: 16)) { machine in
      let tables = SmallTables(machine)
      tables.map(page: 0, frame: 8, .readWrite.union(.global))
      tables.map(page: 1, frame: 9, readWrite)
      _ = try machine.access(VirtualAddress(0), .read, by: .kernel)
      _ = try machine.access(VirtualAddress(0x1000), .read, by: .user)
      machine.activate(root: PageFrameNumber(1))
      #expect(machine.isCached(PageFrameNumber(8)))
      #expect(!machine.isCached(PageFrameNumber(9)))
      machine.flush(.everything)
      #expect(!machine.isCached(PageFrameNumber(8)))
    }
  }

  @Test func `a flush of a space is one CPU's, of a page every CPU's`() {
    TestMachine.run(SimulationOptions(frameCount: 16, cpuCount: 2)) { machine in
      let tables = SmallTables(machine)
      tables.map(page: 0, frame: 8, readWrite)
      machine.runParallel { _ in
        machine.activate(root: PageFrameNumber(1))
        _ = try? machine.access(VirtualAddress(0), .read, by: .user)
      }
      machine.flush(.space)
      #expect(machine.isCached(PageFrameNumber(8)))
      machine.flush(.page(VirtualAddress(0)))
      #expect(!machine.isCached(PageFrameNumber(8)))
    }
  }

  @Test func `beyond the direct map frames keep their bytes between windows`() {
    let options = SimulationOptions(frameCount: 16, directMapFrameCount: 4)
    TestMachine.run(options) { machine in
      #expect(machine.directMap.limit == PhysicalAddress(0x4000))
      for frame in 0..<16 as Range<UInt32> {
        machine.withBytes(of: PageFrameNumber(frame)) { $0.store(frame + 100, at: 4092) }
      }
      for frame in 0..<16 as Range<UInt32> {
        let value = machine.withBytes(of: PageFrameNumber(frame)) {
          $0.load(UInt32.self, at: 4092)
        }
        #expect(value == frame + 100)
      }
      #expect(machine.directMap.load(UInt32.self, at: PhysicalAddress(0x3FFC)) == 103)
    }
  }

  @Test func `a window that is used after its end stops the test`() async {
    await #expect(processExitsWith: .failure) {
      let options = SimulationOptions(frameCount: 16, directMapFrameCount: 4)
      TestMachine.run(options) { machine in
        let leaked = machine.withBytes(of: PageFrameNumber(9)) { $0 }
        leaked.store(UInt8(1), at: 0)
      }
    }
  }

  @Test func `a gibibyte costs only what is touched`() {
    TestMachine.run(SimulationOptions(frameCount: 262_144)) { machine in
      let last = PageFrameNumber(262_143)
      machine.directMap.frame(last).store(UInt64(9), at: 4088)
      #expect(machine.allMemory.load(UInt64.self, at: (1 << 30) - 8) == 9)
    }
  }
}
