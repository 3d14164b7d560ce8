// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryUnits
import PageFrames
import PageTableFormats
import PageTables
import SimulatedMachine
import Testing

/// The text's example: address 0x12345678 on a page that lies in frame 0x9ABC.
///
/// `Documentation/TheText/Paging.md` has the marked lines.
@Suite struct TheTextPagingTests {
  /// Allocates one frame that the example names.
  private func allocate(
    _ wanted: PageFrameNumber, in frames: PageFrames<SimulatedMachine<X8664Format>>
  ) throws -> PageFrameNumber {
    var taken: [PageFrameNumber] = []
    while true {
      let first = try frames.allocate(FrameRequest(order: .max, kind: .anonymous)).surrender()
      taken.append(first)
      if first <= wanted, wanted < first + Order.max.pageCount { break }
    }
    let first = frames.split(.adopt(taken.removeLast(), .max))
    for index in 0..<Order.max.pageCount.value where first + PageCount(index) != wanted {
      frames.release(first + PageCount(index))
    }
    for block in taken { frames.free(.adopt(block, .max)) }
    return wanted
  }

  @Test func `address 0x12345678 is translated to 0x9ABC678`() throws {
    try TestTables<X8664Format>.run(frameCount: 0xA000) { test in
      let (machine, tables, root) = (test.machine, test.tables, test.root)
      let frame = try allocate(PageFrameNumber(0x9ABC), in: test.frames)
      machine.withBytes(of: frame) { bytes in bytes.clear() }

      let address = VirtualAddress(0x1234_5678)
      var cursor = tables.cursor(root, at: address)
      try cursor.set(frame, .userWrite)

      try machine.store(UInt32(42), at: address)
      let place = try machine.access(address, .read, by: .user)
      #expect(place == PhysicalAddress(0x9ABC678))
      #expect(machine.directMap.load(UInt32.self, at: place) == 42)

      let leaf = tables.translate(root, address)?.leaf
      #expect(leaf?.frame == frame)
      #expect(leaf?.isDirty == true)

      _ = cursor.take()
      machine.flush(.page(address))
      #expect(throws: AccessFault.self) { try machine.access(address, .read, by: .user) }
      test.frames.release(frame)
    }
  }

  @Test func `the parts of 0x12345678 choose an entry in each of four tables`() {
    let address = VirtualAddress(0x1234_5678)
    #expect(X8664Format.index(of: address, level: 3) == 0)
    #expect(X8664Format.index(of: address, level: 2) == 0)
    #expect(X8664Format.index(of: address, level: 1) == 145)
    #expect(X8664Format.index(of: address, level: 0) == 325)
    #expect(address.offsetInPage == ByteCount(0x678))
  }
}
