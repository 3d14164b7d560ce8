// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures
import Machine
import MemoryEvents
import MemoryUnits
import SimulatedMachine
import Testing

@Suite(.enabled(if: TestMachine.seesLocks)) struct InterleavingTests {
  /// The events of four CPUs that count under a lock, calling the machine inside it.
  private func run(seed: UInt64) -> (owners: [UInt32], switches: Int, sum: UInt64) {
    TestMachine.run(SimulationOptions(frameCount: 4, cpuCount: 4)) { machine in
      let sum = Locked(
        placing: UInt64(0), rank: .zone, in: machine.directMap.frame(PageFrameNumber(1)))
      let switches = machine.runInterleaved(seed: seed, rarity: 2) { cpu in
        for _ in 0..<50 {
          sum.withLock { sum in
            let before = sum
            machine.record(MemoryEvent(.reclaimBegan, owner: UInt32(cpu.value)))
            sum = before + 1
          }
        }
      }
      return (machine.events.map(\.owner), switches, sum.withLock { $0 })
    }
  }

  @Test func `four CPUs take turns, also where one waits for a lock that another holds`() {
    let (owners, switches, sum) = run(seed: 1)
    #expect(sum == 200)
    #expect(switches > 50)
    #expect(Set(owners) == [0, 1, 2, 3])
    #expect(zip(owners, owners.dropFirst()).filter { $0 != $1 }.count > 20)
  }

  @Test func `the same seed gives the same order, another seed another`() {
    #expect(run(seed: 7).owners == run(seed: 7).owners)
    #expect(run(seed: 7).owners != run(seed: 8).owners)
  }

  @Test func `a lost update between two looks is found`() {
    TestMachine.run(SimulationOptions(frameCount: 4, cpuCount: 4)) { machine in
      let sum = Resident(placing: UInt64(0), in: machine.directMap.frame(PageFrameNumber(1)))
      machine.runInterleaved(seed: 1, rarity: 2) { cpu in
        for _ in 0..<50 {
          let before = sum.value
          machine.yieldPoint()
          sum.value = before + 1
        }
      }
      #expect(sum.value < 200)
    }
  }

  @Test func `parallel CPUs have their numbers`() {
    TestMachine.run(SimulationOptions(frameCount: 4, cpuCount: 4)) { machine in
      let seen = ResidentArray(
        repeating: UInt8(0), count: 4, in: machine.directMap.frame(PageFrameNumber(1)))
      machine.runParallel { cpu in seen[Int(cpu.value)] = machine.currentCPU.value + 1 }
      #expect((0..<4).map { seen[$0] } == [1, 2, 3, 4])
      #expect(machine.currentCPU == .boot)
    }
  }

  @Test func `a lock of a lower rank is refused`() async {
    await #expect(processExitsWith: .failure) {
      TestMachine.run(SimulationOptions(frameCount: 4)) { machine in
        let block = machine.directMap.frame(PageFrameNumber(1))
        let inner = Locked(placing: 0, rank: .slabCache, in: block)
        let outer = Locked(
          placing: 0, rank: .zone, in: block.part(from: 1024, byteCount: 1024))
        outer.withLock { _ in inner.withLock { $0 += 1 } }
      }
    }
  }

  @Test func `CPUs that wait for each other are found`() async {
    await #expect(processExitsWith: .failure) {
      TestMachine.run(SimulationOptions(frameCount: 4, cpuCount: 2)) { machine in
        let block = machine.directMap.frame(PageFrameNumber(1))
        let lock = SpinLock(rank: .zone)
        lock.acquire()
        let other = Locked(placing: 0, rank: .zone, in: block)
        machine.runInterleaved(seed: 1) { _ in
          other.withLockIfFree { _ in other.withLock { $0 += 1 } }
        }
      }
    }
  }
}
