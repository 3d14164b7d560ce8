// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryEvents
import MemoryUnits
import PageTableFormats

/// A machine inside a test: RAM, CPUs that remember stale translations, virtual time, events,
/// disks and tasks, all of it repeatable from one seed.
///
///     SimulatedMachine<X8664Format>.run(SimulationOptions(frameCount: 64)) { machine in
///       …
///     }
///
/// A machine is a handle: copies are the same machine. `run` takes it down at its end; a machine
/// made by `init` stays until `tearDown()`, or the end of the process.
@safe
public struct SimulatedMachine<Format: PageTableFormat>: Machine, @unchecked Sendable {
  private let reference: Unmanaged<SimulatedHardware<Format>>

  public init(_ options: SimulationOptions) {
    LockChecks.install
    // SAFETY: released by `tearDown`, or by the end of the process.
    unsafe reference = Unmanaged.passRetained(SimulatedHardware(options))
  }

  public init(frameCount: Int) { self.init(SimulationOptions(frameCount: frameCount)) }

  /// Gives everything back to the host.
  ///
  /// - Precondition: no copy of this handle is used afterwards.
  public func tearDown() {
    hardware.tearDown()
    // SAFETY: balances the retain of `init`.
    unsafe reference.release()
  }

  /// Runs a body on a machine that ends with it.
  public static func run<Result, Failure: Error>(
    _ options: SimulationOptions, _ body: (Self) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let machine = Self(options)
    defer { machine.tearDown() }
    return try body(machine)
  }

  var hardware: SimulatedHardware<Format> {
    // SAFETY: retained from `init` to `tearDown`.
    unsafe reference.takeUnretainedValue()
  }

  public var options: SimulationOptions { hardware.options }
  public var frameCount: Int { hardware.options.frameCount }
}

// Memory and translation

extension SimulatedMachine {
  public var directMap: DirectMap { DirectMap(hardware.memory.directMap) }

  public func withBytes<Result, Failure: Error>(
    of frame: PageFrameNumber, _ body: (MemoryBlock) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    yieldPoint()
    let hardware = hardware
    if let block = hardware.memory.directBlock(of: frame) { return try body(block) }
    let cpu = Int(currentCPU.value)
    let window = hardware.state.withLock { state in
      state.spend(.window)
      state.processors[cpu].openWindowCount += 1
      state.nextWindow += 1
      return state.nextWindow
    }
    defer {
      hardware.memory.closeWindow(window)
      hardware.state.withLock { $0.processors[cpu].openWindowCount -= 1 }
    }
    return try body(hardware.memory.openWindow(window, on: frame))
  }

  public func activate(root: PageFrameNumber) {
    let cpu = Int(currentCPU.value)
    hardware.state.withLock { state in
      state.spend(.activate)
      state.processors[cpu].root = root
      state.processors[cpu].translations.flushSpace()
    }
  }

  /// Before a root is activated nothing is withheld.
  public func setReach(
    of first: PageFrameNumber, _ count: PageCount, _ reach: KernelReach
  ) -> Bool {
    let cpu = Int(currentCPU.value)
    guard let root = hardware.state.withLock({ $0.processors[cpu].root }),
      Int((first + count).value) <= options.directMapFrameCount
    else { return false }
    let address = VirtualAddress(options.directMapAddress.value &+ first.address.value)
    return setReach(of: first, count, reach, in: root, at: address)
  }

  /// A page is forgotten by every CPU that has the current address space, everything by all;
  /// a space only by the CPU that asks.
  public func flush(_ scope: FlushScope) {
    let cpu = Int(currentCPU.value)
    hardware.state.withLock { state in
      state.spend(.flush)
      switch scope {
      case .page(let address):
        let shifts = (0..<Format.levelCount).map { Format.pageSize(level: $0).shift }
        let root = state.processors[cpu].root
        for index in state.processors.indices where state.processors[index].root == root {
          state.processors[index].translations.flush(address, shifts: shifts)
        }
      case .space: state.processors[cpu].translations.flushSpace()
      case .everything:
        for index in state.processors.indices {
          state.processors[index].translations.flushEverything()
        }
      }
    }
  }
}

// Time and the way out

extension SimulatedMachine {
  public var now: VirtualTime {
    hardware.state.withLock { state in
      state.spend(.look)
      return VirtualTime(nanoseconds: state.nanoseconds)
    }
  }

  public func withClockStopped(_ body: () -> Void) {
    hardware.state.withLock { $0.clockStops += 1 }
    body()
    hardware.state.withLock { $0.clockStops -= 1 }
  }

  public func setTimer(_ deadline: VirtualTime) {
    hardware.state.withLock { $0.timer = deadline }
  }

  public func advance(to time: VirtualTime) {
    hardware.state.withLock { state in
      precondition(time != .never, "nothing will ever happen")
      state.nanoseconds = max(state.nanoseconds, time.nanoseconds)
    }
  }

  public func record(_ event: MemoryEvent) {
    yieldPoint()
    hardware.record(event)
    yieldPoint()
  }

  public var channel: MemoryBlock { hardware.memory.channel }

  /// Lets the thread that was there before the first switch go on; the task that halts stands
  /// still until the machine is torn down.
  ///
  /// A kernel that halts where no task was ever switched to stops the test process.
  public func halt() -> Never {
    if let halted = leaveToFirstThread() { halted.standStill() }
    let state = channel.load(UInt64.self, at: ChannelLayout.exitStateOffset)
    fatalError("the simulated machine halted in state \(state)")
  }
}
