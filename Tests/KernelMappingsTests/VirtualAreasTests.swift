// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import KernelMappings
import MemoryUnits
import PageFrames
import PageTableFormats
import PageTables
import SimulatedMachine
import Testing

@Suite struct VirtualAreasTests {
  private static let window: UInt64 = 0xFFFF_C900_0000_0000

  @Test func `memory is contiguous for the kernel, zeroed, with a page behind it that nobody has`()
    throws
  {
    try TestMappings.run { test in
      let areas = test.mappings.areas
      let address = try areas.allocate(ByteCount(3 * 4096 + 1))
      #expect(address.value == Self.window + 0x1000 && areas.usedPageCount.value == 4)
      for page in 0..<4 {
        let place = address + ByteCount(UInt64(page) * 4096)
        #expect(try test.machine.load(UInt64.self, at: place, by: .kernel) == 0)
        try test.machine.store(UInt64(page), at: place, by: .kernel)
        let physical = try #require(areas.translate(place))
        #expect(test.machine.directMap.load(UInt64.self, at: physical) == UInt64(page))
      }
      #expect(!test.canAccess(address + ByteCount(4 * 4096), .read))
      #expect(!test.canAccess(VirtualAddress(address.value - 1), .read))
      #expect(!test.canAccess(address, .execute))
      try areas.free(address)
      #expect(test.leaf(address.value) == nil && areas.lazyPageCount.value == 4)
      areas.purge()
      #expect(!test.canAccess(address, .read) && areas.lazyPageCount == .zero)
    }
  }

  @Test func `frames are free after the flush only, one for all that is lazy`() throws {
    try TestMappings.run { test in
      let areas = test.mappings.areas
      let places = try (0..<5).map { _ in try areas.allocate(ByteCount(8192)) }
      for place in places { _ = try test.machine.access(place, .write, by: .kernel) }
      let free = test.frames.freePageCount + test.frames.cachedPageCount
      for place in places { try areas.free(place) }
      #expect(test.frames.freePageCount + test.frames.cachedPageCount == free)
      #expect(areas.lazyPageCount.value == 10 && areas.usedPageCount == .zero)
      areas.purge()
      #expect(
        (test.frames.freePageCount + test.frames.cachedPageCount).value == free.value + 10)
      // The machine knows every stale translation: none is left.
      for place in places { #expect(!test.canAccess(place, .read)) }
    }
  }

  @Test func `given frames are mapped in order and held until nobody can reach them`() throws {
    try TestMappings.run { test in
      let areas = test.mappings.areas
      let list = try (0..<3).map { _ in try test.frames.allocate(FrameRequest()).surrender() }
      let address = try areas.map([list[2], list[0], list[1]].span)
      try test.machine.store(UInt8(9), at: address + ByteCount(4096), by: .kernel)
      #expect(test.machine.directMap.load(UInt8.self, at: list[0].address) == 9)
      for frame in list { #expect(!test.frames.release(frame)) }
      try areas.unmap(address)
      #expect(test.frames.table[list[0]].references == 1)
      areas.purge()
      #expect(test.frames.table[list[0]].kind == .free)
    }
  }

  @Test func `device registers keep their place in the page, and are no memory`() throws {
    try TestMappings.run { test in
      let areas = test.mappings.areas
      let address = try areas.mapDevice(at: PhysicalAddress(0xFEC0_0FF8), ByteCount(16))
      #expect(address.value & 0xFFF == 0xFF8)
      let leaf = test.leaf(address.value)
      #expect(leaf?.frame.address.value == 0xFEC0_0000)
      #expect(leaf?.protection == [.read, .write, .global, .device, .uncounted])
      #expect(test.leaf(address.value + 8)?.frame.address.value == 0xFEC0_1000)
      #expect(throws: VirtualAreaError.otherPurpose) { try areas.free(address.page.address) }
      try areas.unmapDevice(address)
      #expect(throws: VirtualAreaError.notAllocated) { try areas.unmapDevice(address) }
    }
  }

  @Test func `a device is cached as it was asked for`() throws {
    try TestMappings.run { test in
      // The bits that choose among the processor's kinds of caching.
      func bits(_ caching: DeviceCaching) throws -> UInt64 {
        let areas = test.mappings.areas
        let address = try areas.mapDevice(
          at: PhysicalAddress(0xFEC0_0000), ByteCount(4096), caching: caching)
        let root = test.mappings.root
        var table = root
        for level in [3, 2, 1] {
          let index = X8664Format.index(of: address, level: level)
          let place = table.address + ByteCount(UInt64(index) * 8)
          let entry = test.machine.directMap.load(UInt64.self, at: place)
          table = try #require(X8664Format.tableFrame(entry))
        }
        let last = ByteCount(UInt64(X8664Format.index(of: address, level: 0)) * 8)
        let entry = test.machine.directMap.load(UInt64.self, at: table.address + last)
        try areas.unmapDevice(address)
        return entry >> 3 & 3
      }
      let all = try [DeviceCaching.none, .writeCombining, .writeThrough, .writeBack].map(bits)
      #expect(all == [3, 1, 2, 0])
    }
  }

  @Test func `what cannot be is an error, and changes nothing`() throws {
    try TestMappings.run { test in
      let areas = test.mappings.areas
      #expect(throws: AllocationError.zeroSize) { _ = try areas.allocate(.zero) }
      #expect(throws: AllocationError.tooLarge) { _ = try areas.allocate(ByteCount(1 << 40)) }
      #expect(throws: AllocationError.zeroSize) { _ = try areas.map([PageFrameNumber]().span) }
      let address = try areas.allocate(ByteCount(8192))
      #expect(throws: VirtualAreaError.notAllocated) {
        try areas.free(address + ByteCount(4096))
      }
      #expect(throws: VirtualAreaError.otherPurpose) { try areas.unmap(address) }
      try areas.free(address)
      #expect(throws: VirtualAreaError.notAllocated) { try areas.free(address) }
      areas.purge()
      let plain = test.plainFrameCount
      #expect(throws: AllocationError.outOfMemory) {
        _ = try areas.allocate(test.frames.managedPageCount.bytes)
      }
      areas.purge()
      #expect(test.plainFrameCount == plain && areas.areaCount == 0)
    }
  }

  /// A model: the lowest gap is taken, where what is lazy is a gap only after a purge.
  @Test(arguments: [21, 22, 23] as [UInt64])
  func `a random history is that of a list of areas`(seed: UInt64) throws {
    print("seed \(seed)")
    try TestMappings.run(seed: seed) { test in
      let areas = test.mappings.areas
      var generator = SeededGenerator(seed: seed)
      var taken: [(start: UInt64, pages: Int, isLazy: Bool)] = []
      func lowest(_ pages: Int) -> UInt64 {
        var at = Self.window + 0x1000
        for area in taken.sorted(by: { $0.start < $1.start }) {
          if area.start >= at + UInt64(pages + 1) * 4096 { return at }
          at = area.start + UInt64(area.pages + 1) * 4096
        }
        return at
      }
      for _ in 0..<1500 {
        let live = taken.indices.filter { !taken[$0].isLazy }
        if live.count < 30, generator.oneIn(2) {
          let pages = 1 + generator.number(below: 6)
          let expected = lowest(pages)
          let address = try areas.allocate(ByteCount(UInt64(pages) * 4096))
          #expect(address.value == expected)
          _ = try test.machine.access(address, .write, by: .kernel)
          taken.append((address.value, pages, false))
        } else if !live.isEmpty {
          let index = live[generator.number(below: live.count)]
          try areas.free(VirtualAddress(taken[index].start))
          taken[index].isLazy = true
        }
        if areas.lazyPageCount == .zero { taken.removeAll { $0.isLazy } }
        if generator.oneIn(100) {
          areas.purge()
          taken.removeAll { $0.isLazy }
        }
        #expect(areas.areaCount == taken.count { !$0.isLazy })
      }
      var listed: [UInt64] = []
      areas.visit { listed.append($0.start.value) }
      #expect(listed == taken.filter { !$0.isLazy }.map(\.start).sorted())
      for area in taken where !area.isLazy { try areas.free(VirtualAddress(area.start)) }
      areas.purge()
      #expect(areas.usedPageCount == .zero)
      try test.mappings.tables.check(test.mappings.root, .kernel) { _, _, _ in }
    }
  }
}
