// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryUnits
import PageTableFormats

/// A program in user mode, scripted by a test: each access goes through the CPU's cached
/// translations and the page table, and traps until the kernel made it possible.
public struct SimulatedProgram<Format: PageTableFormat>: Sendable {
  public let machine: SimulatedMachine<Format>
  /// The kernel stack of the task that runs it.
  public let stack: KernelStack

  public init(machine: SimulatedMachine<Format>, stack: KernelStack) {
    self.machine = machine
    self.stack = stack
  }

  public subscript(name: UserRegister) -> UInt64 {
    get { machine.register(name, of: stack) }
    nonmutating set { machine.setRegister(name, of: stack, to: newValue) }
  }

  /// Reads a value that does not cross a page.
  public func load<Value: BitwiseCopyable>(_ type: Value.Type, at address: VirtualAddress)
    -> Value
  {
    machine.allMemory.load(type, at: place(address, .read))
  }

  /// Writes a value that does not cross a page.
  public func store<Value: BitwiseCopyable>(_ value: Value, at address: VirtualAddress) {
    machine.allMemory.store(value, at: place(address, .write))
  }

  /// Executes the instruction at an address.
  public func jump(to address: VirtualAddress) {
    self[.instructionPointer] = address.value
    _ = place(address, .execute)
  }

  /// Calls the kernel, and returns its result.
  public func call(_ number: UInt64, _ arguments: UInt64...) -> UInt64 {
    let names: [UserRegister] = [
      .argument0, .argument1, .argument2, .argument3, .argument4, .argument5,
    ]
    self[.systemCall] = number
    for (name, argument) in zip(names, arguments) { self[name] = argument }
    machine.trap(.systemCall, on: stack)
    takeTimer()
    return self[.result]
  }

  /// Computes for a while; the timer may end the slice.
  public func work(nanoseconds: UInt64) {
    machine.advance(to: machine.now.advanced(byNanoseconds: nanoseconds))
    takeTimer()
  }

  /// The byte of RAM that an access reaches at last.
  private func place(_ address: VirtualAddress, _ access: Trap.Access) -> Int {
    for _ in 0..<64 {
      takeTimer()
      do throws(AccessFault) {
        return Int(try machine.access(address, access, by: .user).value)
      } catch {
        machine.trap(trap(for: error, address, access), on: stack)
      }
    }
    fatalError("simulated machine: the same access faults for ever")
  }

  private func trap(
    for fault: AccessFault, _ address: VirtualAddress, _ access: Trap.Access
  ) -> Trap {
    switch fault {
    case .notCanonical: .protection
    case .reserved: fatalError("simulated machine: a reserved bit, or a frame beyond RAM")
    case .missing, .rights: .pageFault(at: address, access: access)
    }
  }

  private func takeTimer() {
    if machine.takeTimer() { machine.trap(.timer, on: stack) }
  }
}

extension SimulatedMachine {
  /// Whether the timer's deadline has passed; it is then no longer set.
  func takeTimer() -> Bool {
    hardware.state.withLock { state in
      guard state.nanoseconds >= state.timer.nanoseconds else { return false }
      state.timer = .never
      return true
    }
  }
}
