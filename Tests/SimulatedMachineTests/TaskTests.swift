// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures
import Machine
import MemoryEvents
import MemoryUnits
import PageTableFormats
import SimulatedMachine
import Testing

struct TaskTests {
  let boot = KernelStack(top: VirtualAddress(0x1_0000))
  let first = KernelStack(top: VirtualAddress(0x2_0000))
  let second = KernelStack(top: VirtualAddress(0x3_0000))

  private func owners(_ machine: TestMachine) -> [UInt32] { machine.events.map(\.owner) }

  @Test func `kernel tasks keep their place on their stacks`() {
    TestMachine.run(SimulationOptions(frameCount: 4)) { machine in
      machine.setKernelTask { argument in
        let (own, other) = argument == 1 ? (first, second) : (second, first)
        for round in 0..<3 as Range<UInt32> {
          machine.record(MemoryEvent(.reclaimBegan, owner: UInt32(argument) * 10 + round))
          if argument == 2 && round == 2 { machine.switchContext(from: own, to: boot) }
          machine.switchContext(from: own, to: other)
        }
      }
      machine.prepare(first, entry: .kernel(1))
      machine.prepare(second, entry: .kernel(2))
      machine.switchContext(from: boot, to: first)
      #expect(owners(machine) == [10, 20, 11, 21, 12, 22])
    }
  }

  @Test func `a task that ends lets the first thread go on, and its stack can be used again`() {
    TestMachine.run(SimulationOptions(frameCount: 4)) { machine in
      machine.setKernelTask { machine.record(MemoryEvent(.reclaimBegan, owner: UInt32($0))) }
      for argument in 1...20 as ClosedRange<UInt64> {
        machine.prepare(first, entry: .kernel(argument))
        machine.switchContext(from: boot, to: first)
      }
      #expect(owners(machine) == Array(1...20))
    }
  }

  @Test func `a task that halts lets the first thread go on, and nothing else runs any more`() {
    TestMachine.run(SimulationOptions(frameCount: 4)) { machine in
      machine.setKernelTask { argument in
        machine.record(MemoryEvent(.reclaimBegan, owner: UInt32(argument)))
        if argument == 1 { machine.switchContext(from: first, to: second) }
        machine.channel.storeShared(7, at: ChannelLayout.exitStateOffset)
        machine.halt()
      }
      machine.prepare(first, entry: .kernel(1))
      machine.prepare(second, entry: .kernel(2))
      machine.switchContext(from: boot, to: first)
      #expect(owners(machine) == [1, 2])
      #expect(machine.channel.loadShared(at: ChannelLayout.exitStateOffset) == 7)
    }
  }

  @Test func `a halt before any task stops the test`() async {
    await #expect(processExitsWith: .failure) {
      TestMachine(frameCount: 4).halt()
    }
  }

  @Test func `a fork's child has its parent's registers and result 0`() {
    TestMachine.run(SimulationOptions(frameCount: 4)) { machine in
      machine.prepare(first, entry: .freshUser)
      machine.setRegister(.stackPointer, of: first, to: 0x7000)
      machine.setRegister(.result, of: first, to: 56)
      machine.prepare(second, entry: .user(copying: first))
      #expect(machine.register(.stackPointer, of: second) == 0x7000)
      #expect(machine.register(.result, of: second) == 0)
      machine.resetUserState(of: second)
      #expect(machine.register(.stackPointer, of: second) == 0)
      #expect(machine.register(.stackPointer, of: first) == 0x7000)
    }
  }

  @Test func `a program's access traps until its page is there`() {
    TestMachine.run(SimulationOptions(frameCount: 16)) { machine in
      let tables = SmallTables(machine)
      machine.setTrapHandler { trap, stack in
        switch trap {
        case .pageFault(let address, _):
          machine.record(MemoryEvent(.faultDemandZero, value: address.value))
          tables.map(page: Int(address.page.value), frame: 9, .readWrite.union(.user))
        case .systemCall:
          let sum =
            machine.register(.argument0, of: stack) + machine.register(.argument1, of: stack)
          machine.setRegister(.result, of: stack, to: sum)
        case .timer: machine.record(MemoryEvent(.reclaimEnded))
        default: Issue.record("\(trap)")
        }
      }
      machine.setProgram { program in
        program.store(UInt32(77), at: VirtualAddress(0x2004))
        #expect(program.load(UInt32.self, at: VirtualAddress(0x2004)) == 77)
        #expect(program.call(1, 30, 12) == 42)
        machine.setTimer(machine.now.advanced(byNanoseconds: 1_000))
        program.work(nanoseconds: 900)
        program.work(nanoseconds: 900)
      }
      machine.prepare(first, entry: .freshUser)
      machine.switchContext(from: boot, to: first)
      let kinds = machine.events.map(\.kind)
      #expect(kinds == [EventKind.faultDemandZero.rawValue, EventKind.reclaimEnded.rawValue])
      #expect(machine.events.first?.value == 0x2004)
      #expect(machine.timer == .never)
    }
  }

  @Test(.enabled(if: TestMachine.seesLocks))
  func `a task that sleeps with a lock held stops the test`() async {
    await #expect(processExitsWith: .failure) {
      TestMachine.run(SimulationOptions(frameCount: 4)) { machine in
        let stack = KernelStack(top: VirtualAddress(0x1_0000))
        let other = KernelStack(top: VirtualAddress(0x2_0000))
        machine.prepare(other, entry: .kernel(0))
        machine.setKernelTask { _ in }
        let lock = Locked(
          placing: 0, rank: .kernel, in: machine.directMap.frame(PageFrameNumber(1)))
        lock.withLock { _ in machine.switchContext(from: stack, to: other) }
      }
    }
  }

  @Test func `time moves with calls, stands still on demand, and repeats`() {
    func run() -> [UInt64] {
      TestMachine.run(SimulationOptions(frameCount: 4)) { machine in
        var times = [machine.now.nanoseconds]
        machine.record(MemoryEvent(.reclaimBegan))
        times.append(machine.now.nanoseconds)
        machine.withClockStopped { for _ in 0..<9 { machine.flush(.everything) } }
        times.append(machine.now.nanoseconds)
        machine.advance(to: VirtualTime(nanoseconds: 5_000))
        times.append(machine.now.nanoseconds)
        machine.advance(to: VirtualTime(nanoseconds: 10))
        return times + [machine.now.nanoseconds] + machine.events.map(\.time)
      }
    }
    let times = run()
    #expect(times == run())
    #expect(times[1] > times[0] + 1)
    #expect(times[2] == times[1] + 1)
    #expect(times[3] == 5_001)
    #expect(times[4] == 5_002)
  }
}
