// SPDX-License-Identifier: Apache-2.0

import CHostThread
import Machine
import MemoryEvents
import MemoryUnits
import PageTableFormats

/// A process of the host as a machine: plain memory as RAM, its threads as CPUs, a ring for the
/// log, and nothing else. What runs on it costs what it costs on hardware, so it serves to
/// measure the mechanisms that need neither translation nor programs.
///
/// The RAM lives as long as the process.
@safe
public struct NativeMachine: Machine, Sendable {
  public typealias Format = X8664Format

  public let directMap: DirectMap
  private let log: NativeLog

  /// Maps RAM, which the host gives pages for when they are touched.
  ///
  /// - Returns: nil where the host has no room for it.
  public init?(frameCount: Int) {
    guard let memory = Self.mapped(frameCount << Int(PageSize.base.shift)),
      let rings = Self.mapped(NativeLog.byteCount * CPUNumber.maximumCount)
    else { return nil }
    directMap = DirectMap(memory)
    log = NativeLog(rings)
  }

  private static func mapped(_ byteCount: Int) -> MemoryBlock? {
    // SAFETY: a new mapping, which nothing else uses and nobody unmaps.
    guard let base = unsafe map_zeros(byteCount) else { return nil }
    return unsafe MemoryBlock(unsafeBase: base, byteCount: byteCount)
  }

  /// Makes the calling thread one of the CPUs. It is the boot CPU until then.
  public static func adoptThread(as cpu: CPUNumber) { set_current_cpu_number(cpu.value) }

  public func withBytes<Result, Failure: Error>(
    of frame: PageFrameNumber, _ body: (MemoryBlock) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    try body(directMap.frame(frame))
  }

  public var currentCPU: CPUNumber { CPUNumber(current_cpu_number()) }

  /// The records so far of the running CPU, since nothing else moves time here.
  public var now: VirtualTime { VirtualTime(nanoseconds: log.count(of: currentCPU)) }

  public func record(_ event: MemoryEvent) { log.append(event, of: currentCPU) }

  public func withClockStopped(_ body: () -> Void) { body() }

  public func halt() -> Never { exit(0) }
}

// What this machine does not have

extension NativeMachine {
  public func activate(root: PageFrameNumber) { missing() }
  public func flush(_ scope: FlushScope) { missing() }
  public func prepare(_ stack: KernelStack, entry: TaskEntry) { missing() }
  public func switchContext(from current: KernelStack, to next: KernelStack) { missing() }
  public func register(_ name: UserRegister, of stack: KernelStack) -> UInt64 { missing() }
  public func setRegister(_ name: UserRegister, of stack: KernelStack, to value: UInt64) {
    missing()
  }
  public func resetUserState(of stack: KernelStack) { missing() }
  public func setTimer(_ deadline: VirtualTime) { missing() }
  public func advance(to time: VirtualTime) { missing() }
  public var channel: MemoryBlock { missing() }
  public func submit(_ transfer: DiskTransfer) { missing() }
  public func finish(tag: UInt16) -> Bool { missing() }

  private func missing() -> Never {
    preconditionFailure("a native machine has no translation, no tasks and no devices")
  }
}
