// SPDX-License-Identifier: Apache-2.0

import BareMetalMachine
import Machine
import MemoryEvents
import MemoryUnits
import PageTableFormats

/// What the test programs may ask (`Programs.S`), and what befalls them.
extension TestKernel {
  private var stack: KernelStack { state.value.stacks[state.value.current] }

  func takeSystemCall() {
    let stack = stack
    let argument = machine.register(.argument0, of: stack)
    switch machine.register(.systemCall, of: stack) {
    case 0:
      expect(argument == 0, "a program's own checks hold")
      machine.setTimer(.never)
      switchTo(0)
    case 1: machine.setRegister(.result, of: stack, to: argument + 1)
    case 2: note("program", argument)
    case 3: switchTo(3 - state.value.current)
    case 4: machine.setRegister(.threadPointer, of: stack, to: argument)
    case 5: machine.setRegister(.instructionPointer, of: stack, to: argument)
    case 6: setSlice(argument)
    case 7:
      machine.prepare(state.value.stacks[3 - state.value.current], entry: .user(copying: stack))
      machine.setRegister(.result, of: stack, to: 1)
    case 8:
      let top = machine.register(.argument1, of: stack)
      machine.resetUserState(of: stack)
      machine.setRegister(.instructionPointer, of: stack, to: argument)
      machine.setRegister(.stackPointer, of: stack, to: top)
    default: expect(false, "a program calls what there is")
    }
  }

  private func setSlice(_ nanoseconds: UInt64) {
    state.value.slice = nanoseconds
    let now = machine.now
    machine.setTimer(nanoseconds == 0 ? .never : now.advanced(byNanoseconds: nanoseconds))
  }

  func take(_ trap: Trap) {
    let stack = stack
    let place = machine.register(.instructionPointer, of: stack)
    switch trap {
    case .timer:
      let counter = machine.register(.general3, of: stack)
      machine.record(
        MemoryEvent(
          .processForked, frame: UInt32(truncatingIfNeeded: place), owner: UInt32(counter)))
      setSlice(state.value.slice)
      switchTo(3 - state.value.current)
    case .pageFault(let address, .write)
    where address.value >= 0x1000_0000 && address.value < 0x1100_0000:
      _ = state.value.memory.map(
        address.roundedDownToPage, Protection.readWrite.union(.user))
    default:
      report(trap, at: place)
      machine.setRegister(
        .flags, of: stack, to: machine.register(.flags, of: stack) & ~0x100)
      machine.setRegister(
        .instructionPointer, of: stack, to: machine.register(.general15, of: stack))
    }
  }

  private func report(_ trap: Trap, at place: UInt64) {
    note("trap at", place)
    switch trap {
    case .pageFault(let address, let access):
      note("  page fault", address.value)
      note("  access", UInt64(access.rawValue))
    case .divideError: machine.write("  divide error\n")
    case .debug: machine.write("  debug\n")
    case .breakpoint: machine.write("  breakpoint\n")
    case .invalidInstruction: machine.write("  invalid instruction\n")
    case .segment: machine.write("  segment\n")
    case .protection: machine.write("  protection\n")
    case .vectorFloatingPoint: machine.write("  vector floating point\n")
    default: machine.write("  other\n")
    }
  }
}
