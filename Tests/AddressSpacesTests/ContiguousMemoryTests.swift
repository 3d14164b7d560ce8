// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import Compaction
import KernelHeap
import Machine
import MemoryEvents
import MemoryManagement
import MemoryUnits
import PageFrames
import PageTableFormats
import SimulatedMachine
import Testing

private let base = VirtualAddress(0x10_0000)
private let size = UInt64(4096)
private let mebibyte = UInt64(1 << 20)

@Suite struct ContiguousMemoryTests {
  private func area(_ megabytes: UInt64, at base: UInt64? = nil, limit: UInt64? = nil)
    -> ContiguousAreaRequest
  {
    ContiguousAreaRequest(
      size: ByteCount(megabytes * mebibyte),
      base: base.map { PhysicalAddress($0 * mebibyte) },
      limit: limit.map { PhysicalAddress($0 * mebibyte) })
  }

  /// A space whose pages each hold their number.
  private func fill(
    _ environment: TestEnvironment, pages: Int
  ) throws -> Reference<AddressSpace> {
    let space = try environment.spaces.makeSpace()
    _ = try environment.spaces.map(
      space,
      MapRequest(
        .fixed(base), byteCount: PageCount(pages).bytes, protection: .read.union(.write)))
    for page in 0..<UInt64(pages) {
      try environment.spaces.store(page &* 31 + 7, at: base + ByteCount(page * size), in: space)
    }
    return space
  }

  private func expectContents(
    _ environment: TestEnvironment, _ space: Reference<AddressSpace>, pages: Int
  ) throws {
    for page in 0..<UInt64(pages) {
      let value = try environment.spaces.load(
        UInt64.self, at: base + ByteCount(page * size), in: space)
      #expect(value == page &* 31 + 7)
    }
  }

  private func frame(
    _ environment: TestEnvironment, _ space: Reference<AddressSpace>, page: Int
  ) throws -> PageFrameNumber {
    let address = base + ByteCount(UInt64(page) * size)
    return try #require(
      environment.tables.translate(environment.heap[space].root, address)?.leaf.frame)
  }

  @Test func `movable memory borrows an area and leaves it when it is wanted`() throws {
    try withMemory(frameCount: 8192, areas: [area(8)]) { environment in
      let frames = environment.frames
      #expect(environment.core.refusedArea == nil)
      let range = frames.contiguousArea(0).range
      #expect(range.count == PageCount(2048))
      #expect(frames.freeContiguousPageCount == PageCount(2048))
      let space = try fill(environment, pages: 4000)
      let borrowed = try (0..<4000).count {
        range.contains(try frame(environment, space, page: $0))
      }
      // The area had less than half of what was free: it was used last, or when it had more.
      #expect(borrowed > 0)
      try frames.checkInvariants()
      let memory = ContiguousMemory(environment)
      let taken = try memory.allocate(PageCount(1500), kind: .plain, fromArea: 0)
      let place = taken.range
      #expect(range.contains(place.first) && place.end <= range.end)
      #expect(environment.memory.value.migration.succeededCount > 0)
      try expectContents(environment, space, pages: 4000)
      for page in 0..<4000 {
        #expect(!place.contains(try frame(environment, space, page: page)))
      }
      try environment.checkInvariants([space])
      try frames.checkInvariants()
      #expect(frames.contiguousArea(0).successCount == 1)
      #expect(frames.contiguousArea(0).availableCount == PageCount(548))
      var holders: [UInt32] = []
      frames.visitHolders(ofArea: 0) { holders.append($0.process) }
      #expect(holders == [1])
      memory.free(taken, toArea: 0)
      #expect(frames.contiguousArea(0).availableCount == PageCount(2048))
      #expect(frames.pageBlocks.mobility(of: range.first) == .contiguous)
      try frames.checkInvariants()
      environment.spaces.release(space)
    }
  }

  @Test func `what cannot be moved never lies in an area`() throws {
    try withMemory(frameCount: 8192, areas: [area(16)]) { environment in
      let frames = environment.frames
      let range = frames.contiguousArea(0).range
      var taken: [PageFrameNumber] = []
      while let block = try? frames.allocate(FrameRequest(urgency: .reserve)) {
        taken.append(block.surrender())
      }
      #expect(!taken.contains { range.contains($0) })
      #expect(frames.freeContiguousPageCount == range.count)
      // What can be moved goes there first while most of what is free lies there.
      let movable = try frames.allocate(FrameRequest(kind: .anonymous, mobility: .movable))
      #expect(range.contains(movable.first))
      frames.free(movable)
      for frame in taken { frames.free(.adopt(frame)) }
      frames.drainCPULists()
      try frames.checkInvariants()
    }
  }

  @Test func `a frame that is held is named, and the next place is taken`() throws {
    try withMemory(frameCount: 8192, areas: [area(8)]) { environment in
      let frames = environment.frames
      let range = frames.contiguousArea(0).range
      let space = try fill(environment, pages: 5000)
      let blocker = try #require(
        try (0..<5000).map { try frame(environment, space, page: $0) }
          .first { $0 >= range.first && $0 < range.first + PageCount(1000) })
      frames.retain(blocker)
      let memory = ContiguousMemory(environment)
      let taken = try memory.allocate(
        PageCount(256), kind: .plain, fromArea: 0, alignment: Order(8))
      #expect(taken.range.first.value % 256 == 0 && !taken.range.contains(blocker))
      #expect(throws: ContiguousFailure.blocked) {
        let all = try memory.allocate(PageCount(1792), kind: .plain, fromArea: 0)
        memory.free(all, toArea: 0)
      }
      var named: [UInt8] = []
      frames.visitBlockers(ofArea: 0) {
        #expect($0.frame == blocker)
        named.append($0.reason)
      }
      #expect(!named.isEmpty && named.allSatisfy { $0 == MigrationRefusal.pinned.rawValue })
      #expect(frames.contiguousArea(0).failureCount == 1)
      #expect(frames.contiguousArea(0).failureFrameCount == 1792)
      frames.release(blocker)
      memory.free(taken, toArea: 0)
      try expectContents(environment, space, pages: 5000)
      try environment.checkInvariants([space])
      environment.spaces.release(space)
      let all = try memory.allocate(PageCount(2048), kind: .plain, fromArea: 0)
      memory.free(all, toArea: 0)
      try frames.checkInvariants()
    }
  }

  @Test func `with nowhere to go the request fails and nothing is lost`() throws {
    try withMemory(frameCount: 4096, areas: [area(8)]) { environment in
      let space = try environment.spaces.makeSpace()
      _ = try environment.spaces.map(
        space,
        MapRequest(
          .fixed(base), byteCount: PageCount(4096).bytes, protection: .read.union(.write),
          attributes: .noReserve))
      var pages = 0
      while (try? environment.spaces.store(
        UInt64(pages) &* 31 + 7, at: base + ByteCount(UInt64(pages) * size), in: space)) != nil
      {
        pages += 1
      }
      let memory = ContiguousMemory(environment)
      #expect(throws: ContiguousFailure.outOfMemory) {
        let taken = try memory.allocate(PageCount(2048), kind: .plain, fromArea: 0)
        memory.free(taken, toArea: 0)
      }
      try expectContents(environment, space, pages: pages)
      try environment.checkInvariants([space])
      try environment.frames.checkInvariants()
      environment.spaces.release(space)
    }
  }

  @Test func `two disks read into one buffer, and a program sees what both read`() throws {
    let half = 32
    let options = SimulationOptions(
      frameCount: 8192, diskByteCounts: [half * 4096, half * 4096])
    try TestMachine.run(options) { machine in
      let environment = try TestEnvironment(machine, areas: [area(8)])
      let spaces = environment.spaces
      for disk in 0..<2 {
        machine.setDiskContents(disk, (0..<half * 4096).map { UInt8($0 / 4096 + disk * 100) })
      }
      let other = try fill(environment, pages: 5000)
      let taken = try ContiguousMemory(environment).allocate(
        PageCount(2 * half), kind: .file, fromArea: 0)
      let first = taken.range.first
      let buffer = try spaces.makeBuffer(of: taken, area: 0)
      let space = try spaces.makeSpace()
      _ = try spaces.map(
        space,
        MapRequest(
          .fixed(base), byteCount: PageCount(2 * half).bytes, protection: .read.union(.write),
          attributes: .shared, source: .file(buffer, pageIndex: 0)))
      for disk in 0..<2 {
        machine.submit(
          DiskTransfer(
            disk: UInt8(disk), direction: .read, tag: UInt16(disk), sector: 0,
            address: (first + PageCount(disk * half)).address,
            byteCount: PageCount(half).bytes))
      }
      #expect(machine.finish(tag: 1) && machine.finish(tag: 0))
      for page in 0..<2 * half {
        let address = base + ByteCount(UInt64(page) * size)
        let value = try spaces.load(UInt8.self, at: address, in: space)
        #expect(Int(value) == page % half + page / half * 100)
        // It stays where the disks were told that it is.
        let frame = try frame(environment, space, page: page)
        #expect(frame == first + PageCount(page))
        #expect(throws: MigrationRefusal.pinned) { try spaces.migrate(frame) }
      }
      try environment.checkInvariants([space, other])
      spaces.release(buffer)
      #expect(environment.frames.contiguousArea(0).releasedFrameCount == 0)
      spaces.release(space)
      #expect(environment.frames.contiguousArea(0).releasedFrameCount == UInt64(2 * half))
      spaces.release(other)
      try environment.frames.checkInvariants()
      #expect(machine.violations.isEmpty)
    }
  }

  @Test func `areas that no machine can have are refused, each for its reason`() throws {
    let cases: [(ContiguousAreaRequest, ContiguousAreaError?)] = [
      (area(0), .empty), (area(4, at: 1), .misaligned), (area(64), .outsideMemory),
      (area(8, at: 28), .outsideMemory), (area(4, at: 4096), .outsideMemory),
      (area(4, at: 0), .overlapping), (area(8, at: 12), .acrossZones),
      (area(20), .acrossZones), (area(16, at: 0, limit: 8), .outsideMemory),
      (area(16, at: 0, limit: 16), .noRoom), (area(4, at: 16), nil), (area(3), nil),
      (area(4, at: 4, limit: 12), nil),
    ]
    for (request, expected) in cases {
      try withMemory(frameCount: 8192, areas: [request]) { environment in
        #expect(environment.core.refusedArea?.reason == expected, "\(request)")
        #expect(environment.frames.contiguousAreaCount == (expected == nil ? 1 : 0))
        try environment.frames.checkInvariants()
      }
    }
  }

  @Test func `several areas do not overlap, and a map may be coarse`() throws {
    var coarse = area(4, at: 16)
    coarse.granularity = Order(4)
    try withMemory(frameCount: 8192, areas: [coarse, area(4), area(4, at: 16)]) { environment in
      let frames = environment.frames
      #expect(frames.contiguousAreaCount == 2)
      #expect(environment.core.refusedArea?.index == 2)
      #expect(environment.core.refusedArea?.reason == .overlapping)
      let memory = ContiguousMemory(environment)
      let one = try memory.allocate(PageCount(1), kind: .plain, fromArea: 0)
      let two = try memory.allocate(PageCount(17), kind: .plain, fromArea: 0)
      #expect(two.range.first == one.range.first + PageCount(16))
      #expect(frames.contiguousArea(0).availableCount == PageCount(1024 - 48))
      #expect(throws: ContiguousFailure.blocked) {
        memory.free(try memory.allocate(PageCount(1025), kind: .plain, fromArea: 1), toArea: 1)
      }
      #expect(throws: ContiguousFailure.invalidRequest) {
        memory.free(try memory.allocate(.zero, kind: .plain, fromArea: 1), toArea: 1)
      }
      memory.free(one, toArea: 0)
      memory.free(two, toArea: 0)
      #expect(frames.contiguousArea(0).releasedFrameCount == 18)
      try frames.checkInvariants()
    }
  }

  @Test func `frames given back to another area, to none, or twice are named and stay`() throws {
    let options = SimulationOptions(frameCount: 8192, violationResponse: .collect)
    try TestMachine.run(options) { machine in
      let environment = try TestEnvironment(machine, areas: [area(4), area(8)])
      let (frames, memory) = (environment.frames, ContiguousMemory(environment))
      let place = try memory.allocate(PageCount(9), kind: .plain, fromArea: 0).surrender()
      for (number, index) in [1, 2, -1].enumerated() {
        memory.free(.adopt(place), toArea: index)
        #expect(frames.faultCount == number + 1)
        #expect(frames.lastFault?.kind == .notOwned && frames.lastFault?.frame == place.first)
      }
      #expect(frames.contiguousArea(0).availableCount == PageCount(1024 - 9))
      memory.free(.adopt(place), toArea: 0)
      #expect(frames.faultCount == 3)
      memory.free(.adopt(place), toArea: 0)
      #expect(frames.faultCount == 4)
      #expect(frames.contiguousArea(0).releasedFrameCount == 9)
      #expect(frames.contiguousArea(0).availableCount == PageCount(1024))
      try frames.checkInvariants()
    }
  }
}
