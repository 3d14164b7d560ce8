// SPDX-License-Identifier: Apache-2.0

import BareMetalMachine
import Machine
import MemoryEvents
import MemoryUnits

/// Reads of every disk, many at a time, whose contents are summed in the order of their tags.
extension TestKernel {
  func testDisks() {
    machine.startDisks { _, size in state.value.memory.allocate(size) }
    for disk in 0..<machine.diskCount { testDisk(UInt8(disk)) }
  }

  private func testDisk(_ disk: UInt8) {
    note("disk bytes", machine.byteCount(ofDisk: Int(disk)).value)
    var frames = InlineArray<32, PageFrameNumber>(repeating: PageFrameNumber(0))
    for tag in 0..<32 { frames[tag] = state.value.memory.allocate() }
    let start = machine.now
    for tag in 0..<32 {
      machine.submit(
        transfer(.read, disk, tag, sector: UInt64(31 - tag) * 8, frames[tag]))
    }
    note("submitted in", machine.now.nanoseconds - start.nanoseconds)
    machine.advance(to: machine.now.advanced(byNanoseconds: 100_000))
    for tag in 0..<32 {
      expect(machine.finish(tag: UInt16(tag)), "a read goes well")
      note("read", sum(frames[tag]))
    }
    guard disk > 0 else { return }
    let block = machine.directMap.frame(frames[0])
    block.store(block.load(UInt64.self, at: 0) &+ 1, at: 0)
    machine.submit(transfer(.write, disk, 5, sector: 8, frames[0]))
    expect(machine.finish(tag: 5), "a write goes well")
    machine.submit(transfer(.read, disk, 127, sector: 8, frames[1]))
    expect(machine.finish(tag: 127), "a read goes well")
    expect(sum(frames[0]) == sum(frames[1]), "what was written is read")
    machine.submit(transfer(.read, disk, 1, sector: 1 << 40, frames[1]))
    expect(!machine.finish(tag: 1), "a read beyond the end fails")
  }

  private func transfer(
    _ direction: DiskTransfer.Direction, _ disk: UInt8, _ tag: Int, sector: UInt64,
    _ frame: PageFrameNumber
  ) -> DiskTransfer {
    DiskTransfer(
      disk: disk, direction: direction, tag: UInt16(tag), sector: sector,
      address: frame.address, byteCount: ByteCount(4096))
  }

  /// FNV-1a over a frame's words.
  private func sum(_ frame: PageFrameNumber) -> UInt64 {
    let block = machine.directMap.frame(frame)
    var value: UInt64 = 0xCBF2_9CE4_8422_2325
    for index in 0..<512 {
      value = (value ^ block.load(UInt64.self, at: index * 8)) &* 0x100_0000_01B3
    }
    return value
  }
}
