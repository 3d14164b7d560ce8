// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryUnits
import PageTableFormats

extension SimulatedMachine {
  public var currentCPU: CPUNumber { CPUNumber.boot }

  public func prepare(_ stack: KernelStack, entry: TaskEntry) { fatalError("no tasks yet") }

  public func switchContext(from current: KernelStack, to next: KernelStack) {
    fatalError("no tasks yet")
  }

  public func register(_ name: UserRegister, of stack: KernelStack) -> UInt64 { 0 }

  public func setRegister(_ name: UserRegister, of stack: KernelStack, to value: UInt64) {}

  public func resetUserState(of stack: KernelStack) {}

  public func submit(_ transfer: DiskTransfer) { fatalError("no disks yet") }

  public func finish(tag: UInt16) -> Bool { fatalError("no disks yet") }
}
