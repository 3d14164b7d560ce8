// SPDX-License-Identifier: Apache-2.0

import CProcessor
import Machine
import MemoryUnits

/// Virtual time: the time stamp ticks once per instruction under `-icount shift=0`, and what must
/// not count (waits for the host) or counts without being executed (idle time) is one offset.
extension BareMetalMachine {
  public var now: VirtualTime {
    VirtualTime(nanoseconds: processor_time_stamp() &+ state.clockOffset)
  }

  public func withClockStopped(_ body: () -> Void) {
    // The same straight code before and after the body, whatever the body saw: one branch more
    // would put the host's time into the log.
    let start = processor_time_stamp()
    LocalTimer.stop()
    body()
    let end = processor_time_stamp()
    state.clockOffset &-= end &- start
    armTimer()
  }

  public func setTimer(_ deadline: VirtualTime) {
    state.deadline = deadline.nanoseconds
    armTimer()
  }

  public func advance(to time: VirtualTime) {
    let current = now
    guard time > current else { return }
    state.clockOffset &+= time.nanoseconds &- current.nanoseconds
    armTimer()
  }

  /// Starts the timer for the rest of the time until the deadline.
  ///
  /// A rest beyond the counter's 32 bits is cut: the trap then only arms it again.
  func armTimer() {
    let deadline = state.deadline
    if deadline == .max {
      LocalTimer.stop()
      return
    }
    let current = now.nanoseconds
    let rest = deadline > current ? deadline &- current : 1
    LocalTimer.start(UInt32(truncatingIfNeeded: min(rest, 0xFFFF_FFFF)))
  }

  /// Takes a timer interrupt: true if the deadline is reached.
  func takeTimerInterrupt() -> Bool {
    LocalTimer.acknowledge()
    guard now.nanoseconds >= state.deadline else {
      armTimer()
      return false
    }
    state.deadline = .max
    return true
  }
}

/// The processor's own interrupt controller, of which only the timer is used.
///
/// Linux: `arch/x86/kernel/apic/apic.c`; Intel SDM volume 3A, 11.
enum LocalTimer {
  static var registers: PhysicalAddress { PhysicalAddress(0xFEE0_0000) }

  /// One tick per nanosecond, one shot; all other interrupts are masked.
  static func enable() {
    store(0, at: 0x080)  // task priority: all pass
    store(0x1_0000, at: 0x350)
    store(0x1_0000, at: 0x360)
    store(0x1FF, at: 0x0F0)  // on; spurious interrupts come as 0xFF
    store(0xB, at: 0x3E0)
    store(UInt32(PROCESSOR_TIMER_VECTOR), at: 0x320)
    stop()
  }

  static func start(_ ticks: UInt32) { store(ticks, at: 0x380) }

  static func stop() { store(0, at: 0x380) }

  static func acknowledge() { store(0, at: 0x0B0) }

  private static func store(_ value: UInt32, at offset: UInt64) {
    shared_store32(AddressLayout.directMap &+ registers.value &+ offset, value)
  }
}
