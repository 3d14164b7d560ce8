// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryUnits

extension MachineConformance {
  /// Checks that what is written to a disk is read again, with transfers in flight together and
  /// finished in another order.
  ///
  /// - Parameter sector: the first of 64 sectors that may be written over.
  public func checkDisk(_ disk: UInt8, sector: UInt64) throws(ConformanceFailure) {
    let count: UInt64 = 8
    for index in 0..<count {
      fill(Int(index), with: stamp(index))
      submit(.write, disk, sector, index, frame: Int(index))
    }
    for index in (0..<count).reversed() {
      try require(machine.finish(tag: UInt16(index)), "a write goes well")
    }
    for index in 0..<count { fill(Int(index), with: 0) }
    for index in 0..<count {
      submit(.read, disk, sector, index, frame: Int(count - 1 - index))
    }
    for index in 0..<count {
      try require(machine.finish(tag: UInt16(index)), "a read goes well")
      let bytes = machine.directMap.frame(frame(Int(count - 1 - index)))
      try require(
        bytes.load(UInt64.self, at: 0) == stamp(index)
          && bytes.load(UInt64.self, at: 4088) == stamp(index),
        "what is read is what was written there")
    }
  }

  private func stamp(_ index: UInt64) -> UInt64 { 0xD15C_0000_0000_0001 &+ index << 16 }

  private func fill(_ index: Int, with word: UInt64) {
    let block = machine.directMap.frame(frame(index))
    for offset in 0..<512 { block.store(word, at: offset * 8) }
  }

  private func submit(
    _ direction: DiskTransfer.Direction, _ disk: UInt8, _ sector: UInt64, _ index: UInt64,
    frame number: Int
  ) {
    machine.submit(
      DiskTransfer(
        disk: disk, direction: direction, tag: UInt16(index), sector: sector + index * 8,
        address: frame(number).address, byteCount: ByteCount(4096)))
  }
}
