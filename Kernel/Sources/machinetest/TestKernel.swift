// SPDX-License-Identifier: Apache-2.0

import BareMetalMachine
import CTestPrograms
import Machine
import MemoryEvents
import MemoryUnits
import PageTableFormats

/// What changes while the tests run, and what they began with.
struct TestState {
  let information: BootInformation
  var memory: TestMemory
  var stacks: InlineArray<3, KernelStack>
  /// The task that runs: 0 is the first, 1 and 2 are the programs.
  var current = 0
  /// Nanoseconds of a time slice, 0 for none.
  var slice: UInt64 = 0
  var failureCount = 0
}

/// A kernel that knows two programs and logs what they meet.
///
/// Two words, since every trap copies it out of the image's global.
struct TestKernel: BitwiseCopyable {
  let machine: BareMetalMachine
  let state: Resident<TestState>

  init(machine: BareMetalMachine, information: BootInformation) {
    self.machine = machine
    var memory = TestMemory(machine: machine, information: information)
    let size = ByteCount(UInt64(MemoryLayout<TestState>.size))
    precondition(size.value <= PageSize.base.bytes, "the state fits into a page")
    let block = machine.directMap.block(at: memory.allocate().address, byteCount: size)
    let stacks: InlineArray<3, KernelStack> = [
      information.stack, memory.allocateStack(number: 0), memory.allocateStack(number: 1),
    ]
    state = Resident(
      placing: TestState(information: information, memory: memory, stacks: stacks), in: block)
  }

  private var information: BootInformation { state.value.information }

  func run() {
    machine.record(MemoryEvent(.machineStarted, value: information.memoryBytes.value))
    if contains("overflow-first", at: information.commandLine) { overflow(0) }
    machine.activate(root: state.value.memory.root)
    describe()
    testCosts()
    testDisks()
    testTasks()
    machine.record(MemoryEvent(.machineStopped))
  }

  private func describe() {
    for index in 0..<information.memoryRangeCount {
      note("memory", information.memoryRanges[index].start.value)
      note("  to", information.memoryRanges[index].end.value)
    }
    note("image from", information.reserved.start.value)
    note("  to", information.reserved.end.value)
    note("first time", machine.now.nanoseconds)
  }

  /// What the machine's own verbs cost, in instructions; the log's ring is filled twice.
  private func testCosts() {
    let event = MemoryEvent(.systemCallRefused, value: 1)
    measure("record") { machine.record(event) }
    measure("window") { machine.withClockStopped {} }
    measure("set timer") { machine.setTimer(.never) }
    measure("flush page") { machine.flush(.page(VirtualAddress(0x1000))) }
    let block = machine.directMap.frame(state.value.memory.allocate())
    measure("clear page") { block.clear() }
    for _ in 0..<300_000 { machine.record(event) }
  }

  private func measure(_ name: StaticString, _ body: () -> Void) {
    let start = machine.now.nanoseconds
    for _ in 0..<100 { body() }
    let end = machine.now.nanoseconds
    note(name, (end - start) / 100)
  }

  func note(_ name: StaticString, _ value: UInt64) {
    machine.write(name)
    machine.write(" ")
    machine.write(hexadecimal: value)
    machine.write("\n")
    machine.record(MemoryEvent(.systemCallRefused, value: value))
  }

  func expect(_ condition: Bool, _ name: StaticString) {
    guard !condition else { return }
    machine.write("FAILED: ")
    machine.write(name)
    machine.write("\n")
    state.value.failureCount += 1
  }

  // MARK: Tasks

  /// Two programs from user mode's point of view, then a kernel task.
  private func testTasks() {
    loadPrograms()
    for number in 1...2 {
      let stack = state.value.stacks[number]
      machine.prepare(stack, entry: .freshUser)
      let offset = number == 1 ? 0 : test_second_offset()
      machine.setRegister(.instructionPointer, of: stack, to: 0x40_0000 + offset)
      machine.setRegister(.stackPointer, of: stack, to: 0x50_0000 + UInt64(number) * 0x1000)
    }
    switchTo(1)
    note("programs ended at", machine.now.nanoseconds)
    machine.prepare(state.value.stacks[2], entry: .kernel(77))
    switchTo(2)
    note("all ended at", machine.now.nanoseconds)
  }

  private func loadPrograms() {
    let user = Protection.readExecute.union(.user)
    // SAFETY: the programs lie in the image's constants.
    let source = unsafe MemoryBlock(
      unsafeBase: UnsafeMutableRawPointer(bitPattern: UInt(test_programs_address()))!,
      byteCount: Int(test_programs_bytes()))
    expect(source.byteCount <= 4096, "the programs fit into a page")
    let text = state.value.memory.map(VirtualAddress(0x40_0000), user)
    machine.directMap.frame(text).copy(
      from: source, at: 0, to: 0, byteCount: source.byteCount)
    let writable = Protection.readWrite.union(.user)
    _ = state.value.memory.map(VirtualAddress(0x50_0000), writable)
    _ = state.value.memory.map(VirtualAddress(0x50_1000), writable)
  }

  func switchTo(_ next: Int) {
    let current = state.value.current
    state.value.current = next
    machine.switchContext(from: state.value.stacks[current], to: state.value.stacks[next])
  }

  func runKernelTask(_ argument: UInt64) {
    expect(argument == 77, "a kernel task gets its argument")
    if contains("overflow", at: information.commandLine) { overflow(0) }
    switchTo(0)
  }

  /// Recurses until the stack ends; the machine is to report that.
  private func overflow(_ depth: UInt64) {
    machine.record(MemoryEvent(.faultStackGrowth, value: depth))
    if depth < 1 << 40 { overflow(depth + 1) }
    machine.record(MemoryEvent(.faultStackGrowth, value: depth))
  }

  private func contains(_ word: StaticString, at start: PhysicalAddress) -> Bool {
    var place = start
    while machine.directMap.load(UInt8.self, at: place) != 0 {
      var index = 0
      while index < word.utf8CodeUnitCount,
        // SAFETY: inside the literal.
        unsafe machine.directMap.load(
          UInt8.self, at: place + ByteCount(UInt64(index))) == word.utf8Start[index]
      {
        index += 1
      }
      if index == word.utf8CodeUnitCount { return true }
      place = place + ByteCount(1)
    }
    return false
  }
}
