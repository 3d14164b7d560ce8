// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import Machine
import MemoryUnits
import PageFrames
import PageTableFormats
import SimulatedMachine
import SleepScenarios
import Testing

/// Design, decision 1: state that outlives a sleep lives behind a reference.
///
/// One task sleeps in the middle of a verb while another changes what the verb looks at; both
/// are compiled with optimisation, as the kernel is.
struct SleepTests {
  typealias TestMachine = SimulatedMachine<X8664Format>
  typealias Scenarios = SleepScenarios<TestMachine>

  /// Runs a verb as the sleeping task, while the other task makes a change.
  private func observe(
    on machine: TestMachine, _ verb: (Scenarios) -> UInt64,
    while change: @escaping () -> Void
  ) -> UInt64 {
    let scenarios = Scenarios(
      machine: machine, sleeper: KernelStack(top: VirtualAddress(0x1_0000)),
      changer: KernelStack(top: VirtualAddress(0x2_0000)))
    machine.setKernelTask { _ in
      change()
      scenarios.wake()
    }
    machine.prepare(scenarios.changer, entry: .kernel(0))
    return verb(scenarios)
  }

  private func page(_ number: UInt64, of machine: TestMachine) -> MemoryBlock {
    machine.directMap.frame(PageFrameNumber(UInt32(number)))
  }

  @Test func `a resident value changes during a sleep`() {
    TestMachine.run(SimulationOptions(frameCount: 16)) { machine in
      let counters = Resident(placing: Counters(free: 7), in: page(1, of: machine))
      #expect(observe(on: machine) { $0.change(of: counters) } while: { counters.value.free += 5 }
        == 5)
    }
  }

  @Test func `a value behind a lock changes during a sleep`() {
    TestMachine.run(SimulationOptions(frameCount: 16)) { machine in
      let counters = Locked(
        placing: Counters(free: 7), rank: .kernel, in: page(1, of: machine))
      let change = observe(on: machine) {
        $0.change(of: counters)
      } while: {
        counters.withLock { $0.free += 5 }
      }
      #expect(change == 5)
    }
  }

  @Test func `an element of a resident table changes during a sleep`() {
    TestMachine.run(SimulationOptions(frameCount: 16)) { machine in
      let counters = ResidentArray(repeating: UInt64(1), count: 8, in: page(1, of: machine))
      let change = observe(on: machine) {
        $0.change(of: counters, at: 3)
      } while: {
        counters[3] += 5
      }
      #expect(change == 5)
    }
  }

  @Test func `a word of the direct map changes during a sleep`() {
    TestMachine.run(SimulationOptions(frameCount: 16)) { machine in
      let word = PhysicalAddress(0x3008)
      let change = observe(on: machine) {
        $0.change(of: word)
      } while: {
        machine.directMap.store(UInt64(5), at: word)
      }
      #expect(change == 5)
    }
  }

  @Test func `a frame's descriptor changes during a sleep`() throws {
    try TestMachine.run(SimulationOptions(frameCount: 256)) { machine in
      let frames = try bootedFrames(on: machine).frames
      let frame = try frames.allocate(FrameRequest(order: .zero, kind: .plain)).surrender()
      let change = observe(on: machine) {
        $0.change(of: frame, in: frames.table)
      } while: {
        frames.retain(frame)
      }
      #expect(change == 1)
    }
  }

  @Test func `a kernel object changes during a sleep`() throws {
    try TestMachine.run(SimulationOptions(frameCount: 256)) { machine in
      let heap = try bootedFrames(on: machine).heap
      let counters = try heap.allocate(Counters(free: 7))
      let change = observe(on: machine) {
        $0.change(of: counters, in: heap)
      } while: {
        heap[counters].free += 5
      }
      #expect(change == 5)
    }
  }

  @Test func `a mutating verb does not see a change, so these tests can fail`() {
    TestMachine.run(SimulationOptions(frameCount: 16)) { machine in
      let counters = Resident(placing: ForbiddenCounters(), in: page(1, of: machine))
      let change = observe(on: machine) { scenarios in
        counters.value.change { scenarios.sleep() }
      } while: {
        addBehindItsBack(counters)
      }
      #expect(change == 0)
    }
  }

  /// Another task's access to a value that is borrowed for writing.
  private func addBehindItsBack(_ counters: Resident<ForbiddenCounters>) {
    counters.value.add(5)
  }

  private func bootedFrames(
    on machine: TestMachine
  ) throws -> (frames: PageFrames<TestMachine>, heap: ObjectHeap<TestMachine>) {
    var memory = BootMemory(limit: machine.directMap.limit)
    memory.add(from: PhysicalAddress(0), PageCount(machine.frameCount).bytes)
    let frames = try PageFrames(
      machine: machine, memory: &memory, zones: .x86_64, cpuCount: 1)
    let heap = try ObjectHeap(frames: frames, memory: &memory)
    frames.takeOver(&memory)
    return (frames, heap)
  }
}
