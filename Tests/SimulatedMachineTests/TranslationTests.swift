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

  @Test func `faults say why`() throws {
    try TestMachine.run(SimulationOptions(frameCount: 16)) { machine in
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
}
