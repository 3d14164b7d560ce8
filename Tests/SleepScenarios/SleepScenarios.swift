// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import Machine
import MemoryUnits
import PageFrames
import PageTableFormats

/// The state that another task changes.
public struct Counters: HeapObject, Sendable {
  public static var cacheName: StaticString { "sleep-counters" }
  public static var cacheIndex: Int { 40 }

  public var free: UInt64

  public init(free: UInt64) { self.free = free }
}

/// Verbs that sleep between two looks at the same state, compiled with optimisation also in
/// debug builds: what they see after the sleep must be what another task made of it.
///
/// Each returns what changed while it slept (design, decision 1).
public struct SleepScenarios<M: Machine>: BitwiseCopyable, @unchecked Sendable {
  public let machine: M
  public let sleeper: KernelStack
  public let changer: KernelStack

  public init(machine: M, sleeper: KernelStack, changer: KernelStack) {
    self.machine = machine
    self.sleeper = sleeper
    self.changer = changer
  }

  /// Sleeps until the other task has run once.
  public func sleep() { machine.switchContext(from: sleeper, to: changer) }

  /// Lets the sleeping task go on.
  public func wake() { machine.switchContext(from: changer, to: sleeper) }

  public func change(of counters: Resident<Counters>) -> UInt64 {
    let before = counters.value.free
    sleep()
    return counters.value.free &- before
  }

  public func change(of counters: Locked<Counters>) -> UInt64 {
    let before = counters.withLock { $0.free }
    sleep()
    return counters.withLock { $0.free } &- before
  }

  public func change(of counters: ResidentArray<UInt64>, at index: Int) -> UInt64 {
    let before = counters[index]
    sleep()
    return counters[index] &- before
  }

  public func change(of word: PhysicalAddress) -> UInt64 {
    let before = machine.directMap.load(UInt64.self, at: word)
    sleep()
    return machine.directMap.load(UInt64.self, at: word) &- before
  }

  public func change(of counters: Reference<Counters>, in heap: ObjectHeap<M>) -> UInt64 {
    let before = heap[counters].free
    sleep()
    return heap[counters].free &- before
  }

  public func change(of frame: PageFrameNumber, in table: FrameTable) -> UInt64 {
    let before = table[frame].references
    sleep()
    return UInt64(table[frame].references &- before)
  }
}

/// What decision 1 forbids: state in the value itself. The optimiser may take its two looks
/// for one, and does; a test that sees that shows that the others could fail.
public struct ForbiddenCounters {
  private var free: UInt64 = 0

  public init() {}

  public mutating func add(_ count: UInt64) { free &+= count }

  public mutating func change(_ sleep: () -> Void) -> UInt64 {
    let before = free
    sleep()
    return free &- before
  }
}
