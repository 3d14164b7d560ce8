// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryEvents
import MemoryUnits
import PageTableFormats

// What a test does and sees from outside.

extension SimulatedMachine {
  /// An access as the current CPU would do it, in the active address space.
  ///
  /// - Throws: the fault that a CPU would raise.
  public func access(
    _ address: VirtualAddress, _ kind: Trap.Access, by privilege: Privilege
  ) throws(AccessFault) -> PhysicalAddress {
    try hardware.access(address, kind, by: privilege, on: Int(currentCPU.value))
  }

  /// Reads a value as a program would; it may not cross a page.
  public func load<Value: BitwiseCopyable>(
    _ type: Value.Type, at address: VirtualAddress, by privilege: Privilege = .user
  ) throws(AccessFault) -> Value {
    let place = try access(address, .read, by: privilege)
    return hardware.memory.all.load(type, at: Int(place.value))
  }

  /// Writes a value as a program would; it may not cross a page.
  public func store<Value: BitwiseCopyable>(
    _ value: Value, at address: VirtualAddress, by privilege: Privilege = .user
  ) throws(AccessFault) {
    let place = try access(address, .write, by: privilege)
    hardware.memory.all.store(value, at: Int(place.value))
  }

  /// What a page table says, whatever the CPUs remember.
  public func translate(
    _ address: VirtualAddress, root: PageFrameNumber
  ) -> (leaf: DecodedEntry.Leaf, level: Int)? {
    hardware.translate(address, root: root)
  }

  /// The page table that the current CPU uses.
  public var activeRoot: PageFrameNumber? {
    let cpu = Int(currentCPU.value)
    return hardware.state.withLock { $0.processors[cpu].root }
  }

  /// Whether any CPU still remembers a translation to a frame, or the frame as a table.
  ///
  /// `frameFreed` events check this for user translations by themselves.
  public func isCached(_ frame: PageFrameNumber) -> Bool {
    hardware.state.withLock { state in
      state.processors.contains { processor in
        processor.root == frame
          || processor.translations.reaches(frame.value..<frame.value + 1)
      }
    }
  }

  /// Any byte of RAM, windows and limits aside.
  public var allMemory: MemoryBlock { hardware.memory.all }

  /// Zeroed memory outside the machine, for a test's own tables; it ends with the machine.
  public func hostMemory(byteCount: Int) -> MemoryBlock {
    hardware.memory.hostMemory(byteCount: byteCount)
  }

  /// The events so far, if they are kept.
  public var events: [MemoryEvent] { hardware.state.withLock { $0.events } }

  /// The number of events ever recorded.
  public var eventCount: Int { hardware.state.withLock { $0.eventCount } }

  /// The events so far, which are then forgotten.
  public func takeEvents() -> [MemoryEvent] {
    hardware.state.withLock { state in
      defer { state.events.removeAll() }
      return state.events
    }
  }

  /// The state of every frame by the events alone.
  public var replay: FrameReplay { hardware.state.withLock { $0.replay } }

  /// What the kernel did wrong, where the machine collects that.
  public var violations: [String] { hardware.state.withLock { $0.violations } }

  /// The timer that the kernel asked for.
  public var timer: VirtualTime { hardware.state.withLock { $0.timer } }
}
