// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import FileSystems
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// The system calls on time, all of it virtual.
extension Kernel {
  /// Nanoseconds since the epoch.
  private var wallClock: UInt64 {
    files.value.bootTime &* 1_000_000_000 &+ machine.now.nanoseconds
  }

  /// Nanoseconds of a clock. Linux: `clock_gettime`.
  ///
  /// - Throws: `EINVAL` for a clock that there is not.
  private func read(clock number: UInt64) throws(Errno) -> UInt64 {
    guard let clock = ClockNumber(rawValue: UInt32(truncatingIfNeeded: number)) else {
      throw .EINVAL
    }
    switch clock {
    case .realtime, .realtimeCoarse, .realtimeAlarm, .atomic: return wallClock
    case .monotonic, .monotonicRaw, .monotonicCoarse, .boot, .bootAlarm:
      return machine.now.nanoseconds
    case .processTime, .threadTime:
      charge(current, until: machine.now)
      return heap[process].runTime
    }
  }

  func clockTime(_ call: CallArguments) throws(Errno) -> UInt64 {
    try store(TimeSpecification(nanoseconds: read(clock: call.first)), at: call.second)
    return 0
  }

  /// Linux: `clock_getres`.
  func clockResolution(_ call: CallArguments) throws(Errno) -> UInt64 {
    _ = try read(clock: call.first)
    if call.second != 0 { try store(TimeSpecification(nanoseconds: 1), at: call.second) }
    return 0
  }

  /// Linux: `gettimeofday`. The time zone is UTC.
  func timeOfDay(_ call: CallArguments) throws(Errno) -> UInt64 {
    if call.first != 0 { try store(TimeValue(nanoseconds: wallClock), at: call.first) }
    if call.second != 0 { try store(UInt64(0), at: call.second) }
    return 0
  }

  /// Linux: `time`.
  func time(_ call: CallArguments) throws(Errno) -> UInt64 {
    let seconds = wallClock / 1_000_000_000
    if call.first != 0 { try store(seconds, at: call.first) }
    return seconds
  }

  /// Linux: `nanosleep`.
  func sleep(_ call: CallArguments) throws(Errno) -> UInt64 {
    let wish: TimeSpecification = try load(at: call.first)
    guard let duration = wish.duration else { throw .EINVAL }
    return try sleep(for: duration, remainder: call.second)
  }

  /// Linux: `clock_nanosleep`.
  func clockSleep(_ call: CallArguments) throws(Errno) -> UInt64 {
    let now = try read(clock: call.first)
    guard call.second & ~1 == 0 else { throw .EINVAL }
    let wish: TimeSpecification = try load(at: call.third)
    guard let time = wish.duration else { throw .EINVAL }
    guard call.second & 1 != 0 else {
      return try sleep(for: time, remainder: call.fourth)
    }
    return try sleep(for: time > now ? time - now : 0, remainder: 0)
  }

  /// Sleeps for a time; a repetition after a stop goes on with what was left.
  private func sleep(for duration: UInt64, remainder: UInt64) throws(Errno) -> UInt64 {
    let task = current
    var deadline = heap[task].restartDeadline
    heap[task].restartDeadline = .never
    if deadline == .never { deadline = machine.now.advanced(byNanoseconds: duration) }
    let key = SleepKey.object(task.raw, channel: Channel.sleep)
    while machine.now < deadline {
      switch suspend(on: key.value, .sleepingInterruptibly, until: deadline) {
      case .woken, .timedOut: continue
      case .interrupted:
        let now = machine.now
        let left = now < deadline ? deadline.nanoseconds - now.nanoseconds : 0
        if remainder != 0 { try store(TimeSpecification(nanoseconds: left), at: remainder) }
        heap[task].restartDeadline = deadline
        throw .EINTR
      }
    }
    return 0
  }

  /// Linux: `alarm`.
  func setAlarm(_ call: CallArguments) -> UInt64 {
    let left = remainingAlarm
    let seconds = call.first & 0xFFFF_FFFF
    heap[process].alarm =
      seconds == 0 ? .never : machine.now.advanced(byNanoseconds: seconds * 1_000_000_000)
    heap[process].alarmInterval = 0
    findNextAlarm()
    return (left + 999_999_999) / 1_000_000_000
  }

  private var remainingAlarm: UInt64 {
    let alarm = heap[process].alarm
    guard alarm != .never else { return 0 }
    let now = machine.now
    return alarm > now ? max(alarm.nanoseconds - now.nanoseconds, 1000) : 1000
  }

  private var alarmSetting: IntervalTimer {
    IntervalTimer(
      interval: TimeValue(nanoseconds: heap[process].alarmInterval),
      value: TimeValue(nanoseconds: remainingAlarm))
  }

  /// Linux: `getitimer`, of real time only.
  func intervalTimer(_ call: CallArguments) throws(Errno) -> UInt64 {
    guard call.first == 0 else { throw .EINVAL }
    try store(alarmSetting, at: call.second)
    return 0
  }

  /// Linux: `setitimer`, of real time only.
  func setIntervalTimer(_ call: CallArguments) throws(Errno) -> UInt64 {
    guard call.first == 0 else { throw .EINVAL }
    let old = alarmSetting
    if call.second != 0 {
      let new: IntervalTimer = try load(at: call.second)
      guard let value = new.value.duration, let interval = new.interval.duration else {
        throw .EINVAL
      }
      heap[process].alarm = value == 0 ? .never : machine.now.advanced(byNanoseconds: value)
      heap[process].alarmInterval = interval
      findNextAlarm()
    }
    if call.third != 0 { try store(old, at: call.third) }
    return 0
  }

  /// Linux: `times`.
  func times(_ call: CallArguments) throws(Errno) -> UInt64 {
    charge(current, until: machine.now)
    let perTick = 1_000_000_000 / ProcessTimes.ticksPerSecond
    if call.first != 0 {
      try store(
        ProcessTimes(
          user: Int64(heap[process].runTime / perTick), system: 0,
          childrenUser: Int64(heap[process].childrenRunTime / perTick), childrenSystem: 0),
        at: call.first)
    }
    return machine.now.nanoseconds / perTick
  }
}
