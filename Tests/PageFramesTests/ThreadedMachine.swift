// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryEvents
import MemoryUnits
import PageTableFormats
import SimulatedMachine

/// A simulated machine whose CPUs are the test's own concurrent tasks.
struct ThreadedMachine: Machine, Sendable {
  typealias Format = X8664Format

  /// The CPU that the running task plays.
  @TaskLocal static var cpu = CPUNumber.boot

  let base: TestMachine

  var currentCPU: CPUNumber { Self.cpu }

  var directMap: DirectMap { base.directMap }
  var now: VirtualTime { base.now }
  var channel: MemoryBlock { base.channel }

  func withBytes<Result, Failure: Error>(
    of frame: PageFrameNumber, _ body: (MemoryBlock) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try base.withBytes(of: frame, body)
  }

  func record(_ event: MemoryEvent) { base.record(event) }
  func activate(root: PageFrameNumber) { base.activate(root: root) }
  func flush(_ scope: FlushScope) { base.flush(scope) }
  func prepare(_ stack: KernelStack, entry: TaskEntry) { base.prepare(stack, entry: entry) }
  func switchContext(from current: KernelStack, to next: KernelStack) {
    base.switchContext(from: current, to: next)
  }
  func register(_ name: UserRegister, of stack: KernelStack) -> UInt64 {
    base.register(name, of: stack)
  }
  func setRegister(_ name: UserRegister, of stack: KernelStack, to value: UInt64) {
    base.setRegister(name, of: stack, to: value)
  }
  func resetUserState(of stack: KernelStack) { base.resetUserState(of: stack) }
  func withClockStopped(_ body: () -> Void) { base.withClockStopped(body) }
  func setTimer(_ deadline: VirtualTime) { base.setTimer(deadline) }
  func advance(to time: VirtualTime) { base.advance(to: time) }
  func submit(_ transfer: DiskTransfer) { base.submit(transfer) }
  func finish(tag: UInt16) -> Bool { base.finish(tag: tag) }
  func halt() -> Never { base.halt() }
}
