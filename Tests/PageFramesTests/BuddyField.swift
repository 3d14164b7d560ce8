// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryEvents
import MemoryUnits
import SimulatedMachine

@testable import PageFrames

/// The lists of one zone over a few page blocks, all of whose frames are in use at first.
final class BuddyField {
  let table: FrameTable
  let pageBlocks: PageBlocks
  var lists: BuddyLists
  private let machine: TestMachine

  /// - Parameter mobilities: of the page blocks from the first one after frame 0's on.
  init(_ mobilities: [Mobility], inUse kind: FrameKind = .kernelStack) throws {
    machine = TestMachine(SimulationOptions(frameCount: 1024, violationResponse: .ignore))
    let count = (mobilities.count + 1) * 512
    var used = FrameDescriptor(kind, zone: .normal)
    used.references = 1
    var memory = BootMemory(limit: machine.directMap.limit)
    memory.add(from: PhysicalAddress(0), ByteCount(1024 * 4096))
    table = FrameTable(
      repeating: used, count: count,
      in: machine.directMap.block(
        at: try memory.allocate(ByteCount(UInt64(count * 32))),
        byteCount: ByteCount(UInt64(count * 32))))
    pageBlocks = PageBlocks(
      mobilities: ResidentArray(
        repeating: Mobility.unmovable.rawValue, count: mobilities.count + 2,
        in: try memory.allocateBlock(ByteCount(UInt64(mobilities.count + 2)), on: machine)))
    lists = BuddyLists(zone: .normal, pageBlocks)
    for (index, mobility) in mobilities.enumerated() {
      pageBlocks.set(mobility, of: Self.frame(index))
    }
  }

  /// A frame of a page block, both counted from 0.
  static func frame(_ pageBlock: Int, _ offset: Int = 0) -> PageFrameNumber {
    PageFrameNumber(UInt32((pageBlock + 1) * 512 + offset))
  }

  func free(_ pageBlock: Int, _ offset: Int = 0, order: Int) {
    lists.free(Self.frame(pageBlock, offset), Order(UInt8(order)), in: table)
  }

  /// Makes a run of frames a program's.
  func use(_ pageBlock: Int, _ offsets: Range<Int>, as kind: FrameKind) {
    for offset in offsets { table[Self.frame(pageBlock, offset)].kind = kind }
  }

  func allocate(
    _ order: Int, _ mobility: Mobility, _ rules: AllocationRules = AllocationRules()
  ) -> PageFrameNumber? {
    var mode = FallbackMode.own
    return lists.allocate(Order(UInt8(order)), mobility, rules, &mode, in: table)
  }

  func mobility(_ pageBlock: Int) -> Mobility { pageBlocks.mobility(of: Self.frame(pageBlock)) }

  /// The free blocks of a mobility by order, as /proc/pagetypeinfo has them.
  func counts(_ mobility: Mobility) -> [Int] {
    (0...10).map { lists.blockCount(Order(UInt8($0)), mobility, in: table) }
  }
}
