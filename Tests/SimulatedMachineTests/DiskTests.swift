// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryUnits
import SimulatedMachine
import Testing

struct DiskTests {
  private func options(seed: UInt64 = 1) -> SimulationOptions {
    SimulationOptions(frameCount: 64, seed: seed, diskByteCounts: [65_536, 65_536])
  }

  private func transfer(
    _ direction: DiskTransfer.Direction, tag: UInt16, sector: UInt64, frame: UInt32
  ) -> DiskTransfer {
    DiskTransfer(
      disk: 1, direction: direction, tag: tag, sector: sector,
      address: PageFrameNumber(frame).address, byteCount: ByteCount(4096))
  }

  @Test func `what is written is read again, on its own disk`() {
    TestMachine.run(options()) { machine in
      machine.directMap.frame(PageFrameNumber(3)).store(UInt64(0x1122), at: 4088)
      machine.submit(transfer(.write, tag: 5, sector: 8, frame: 3))
      #expect(machine.finish(tag: 5))
      #expect(machine.diskContents(1)[8 * 512 + 4088] == 0x22)
      #expect(machine.diskContents(0).allSatisfy { $0 == 0 })
      machine.submit(transfer(.read, tag: 5, sector: 8, frame: 4))
      #expect(machine.finish(tag: 5))
      #expect(machine.directMap.load(UInt64.self, at: PhysicalAddress(0x4FF8)) == 0x1122)
    }
  }

  @Test func `the destination of a read is of no use before it has finished`() {
    TestMachine.run(options()) { machine in
      machine.addDiskFault(
        DiskFault(disk: 1, sectors: 0..<8, direction: .read, effect: .isSlow))
      machine.directMap.frame(PageFrameNumber(4)).store(UInt64(1), at: 0)
      machine.submit(transfer(.read, tag: 0, sector: 0, frame: 4))
      #expect(machine.directMap.load(UInt64.self, at: PhysicalAddress(0x4000)) > 1)
      #expect(machine.finish(tag: 0))
      #expect(machine.directMap.load(UInt64.self, at: PhysicalAddress(0x4000)) == 0)
    }
  }

  @Test func `a faulty sector fails the transfers that touch it`() {
    TestMachine.run(options()) { machine in
      machine.addDiskFault(
        DiskFault(disk: 1, sectors: 15..<16, direction: .read, effect: .fails))
      for tag in 0..<4 as Range<UInt16> {
        machine.submit(
          transfer(.read, tag: tag, sector: UInt64(tag) * 8, frame: 8 + UInt32(tag)))
      }
      #expect((0..<4).map { machine.finish(tag: $0) } == [true, false, true, true])
      machine.removeDiskFaults()
      machine.submit(transfer(.read, tag: 1, sector: 8, frame: 8))
      #expect(machine.finish(tag: 1))
    }
  }

  @Test func `the order of completion is the seed's`() {
    func order(_ seed: UInt64) -> [UInt16] {
      TestMachine.run(options(seed: seed)) { machine in
        for tag in 0..<12 as Range<UInt16> {
          machine.submit(
            transfer(.read, tag: tag, sector: UInt64(tag), frame: 8 + UInt32(tag)))
        }
        for tag in 0..<12 as Range<UInt16> { _ = machine.finish(tag: tag) }
        #expect(machine.transfersInFlight == 0)
        return machine.completionOrder
      }
    }
    #expect(order(1) == order(1))
    #expect(order(1) != order(2))
    #expect(order(1).sorted() == Array(0..<12))
  }
}
