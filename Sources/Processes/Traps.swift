// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import LinuxABI
import Machine
import MemoryEvents
import MemoryUnits

/// What the machine hands over when a program stops.
extension Kernel {
  /// A system call of the running program. Linux: `do_syscall_64()`.
  ///
  /// - Context: on the task's kernel stack; may sleep, and may never return.
  public func handleSystemCall() {
    let task = current
    let stack = heap[task].stack
    state.value.enteredKernel = machine.now
    let number = machine.register(.systemCall, of: stack)
    let call = CallArguments(
      first: machine.register(.argument0, of: stack),
      second: machine.register(.argument1, of: stack),
      third: machine.register(.argument2, of: stack),
      fourth: machine.register(.argument3, of: stack),
      fifth: machine.register(.argument4, of: stack),
      sixth: machine.register(.argument5, of: stack))
    do {
      machine.setRegister(.result, of: stack, to: try perform(number, call))
    } catch {
      machine.setRegister(.result, of: stack, to: 0 &- UInt64(error.rawValue))
      if error == .EINTR {
        heap[task].interrupted = restart(of: number)
        // Settled before the program goes on, or another call would be made again for this one.
        state.value.exitWork.formUnion(.signals)
      }
    }
    if state.value.exitWork != .nothing { finishTrap() }
    chargeSystem(task, until: machine.now)
  }

  /// Any trap of the running program. Linux: the `exc_*` entries.
  ///
  /// - Context: as `handleSystemCall`.
  public func handleTrap(_ trap: Trap) {
    if case .systemCall = trap { return handleSystemCall() }
    state.value.enteredKernel = machine.now
    switch trap {
    case .systemCall: break
    case .pageFault(let address, let access): handleFault(at: address, access)
    case .timer: handleTimer()
    case .divideError: force(.SIGFPE, code: 1, address: instructionPointer)
    case .floatingPoint, .vectorFloatingPoint:
      force(.SIGFPE, code: 3, address: instructionPointer)
    case .invalidInstruction: force(.SIGILL, code: 2, address: instructionPointer)
    case .debug: force(.SIGTRAP, code: 2, address: instructionPointer)
    case .breakpoint: force(.SIGTRAP, code: SignalInformation.fromKernel, address: 0)
    case .segment: force(.SIGBUS, code: SignalInformation.fromKernel, address: 0)
    case .alignment: force(.SIGBUS, code: 1, address: 0)
    case .protection, .overflow, .other:
      force(.SIGSEGV, code: SignalInformation.fromKernel, address: 0)
    }
    if state.value.exitWork != .nothing { finishTrap() }
    chargeSystem(current, until: machine.now)
  }

  private var instructionPointer: UInt64 {
    machine.register(.instructionPointer, of: heap[current].stack)
  }

  private func handleFault(at address: VirtualAddress, _ access: Trap.Access) {
    let wish: FaultAccess =
      switch access {
      case .read: .read
      case .write: .write
      case .execute: .execute
      }
    switch spaces.handleFault(in: space, at: address, access: wish) {
    case .resolved: return
    case .signal(let number, let code, let address):
      force(Signal(number), code: code, address: address.value)
    case .outOfMemory:
      // Somebody dies for it: the access is tried again, or never.
      if !heap[process].diedOfMemory { killForMemory(heap[process].identifier) }
    }
  }
}
