// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryEvents
import MemoryUnits
import PageTableFormats
import SimulatedMachine

/// A simulated machine on which threads of a test can be CPUs.
struct CPUView: Machine, @unchecked Sendable {
  typealias Format = X8664Format

  let machine: SimulatedMachine<X8664Format>

  /// The CPU that this thread is.
  @TaskLocal static var threadCPU: UInt8 = 0
  var currentCPU: CPUNumber { CPUNumber(Self.threadCPU) }

  var directMap: DirectMap { machine.directMap }
  var now: VirtualTime { machine.now }
  var channel: MemoryBlock { machine.channel }

  func withBytes<Result, Failure: Error>(
    of frame: PageFrameNumber, _ body: (MemoryBlock) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try machine.withBytes(of: frame, body)
  }

  func activate(root: PageFrameNumber) { machine.activate(root: root) }
  func flush(_ scope: FlushScope) { machine.flush(scope) }
  func prepare(_ stack: KernelStack, entry: TaskEntry) { machine.prepare(stack, entry: entry) }
  func switchContext(from current: KernelStack, to next: KernelStack) {
    machine.switchContext(from: current, to: next)
  }
  func register(_ name: UserRegister, of stack: KernelStack) -> UInt64 {
    machine.register(name, of: stack)
  }
  func setRegister(_ name: UserRegister, of stack: KernelStack, to value: UInt64) {
    machine.setRegister(name, of: stack, to: value)
  }
  func resetUserState(of stack: KernelStack) { machine.resetUserState(of: stack) }
  func withClockStopped(_ body: () -> Void) { machine.withClockStopped(body) }
  func setTimer(_ deadline: VirtualTime) { machine.setTimer(deadline) }
  func advance(to time: VirtualTime) { machine.advance(to: time) }
  func record(_ event: MemoryEvent) { machine.record(event) }
  func submit(_ transfer: DiskTransfer) { machine.submit(transfer) }
  func finish(tag: UInt16) -> Bool { machine.finish(tag: tag) }
  func halt() -> Never { machine.halt() }
}
