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
    let number = Int32(truncatingIfNeeded: number)
    guard number >= 0 else { return try read(processorClock: number) }
    guard let clock = ClockNumber(rawValue: UInt32(number)) else { throw .EINVAL }
    switch clock {
    case .realtime, .realtimeCoarse, .realtimeAlarm, .atomic: return wallClock
    case .monotonic, .monotonicRaw, .monotonicCoarse, .boot, .bootAlarm:
      return machine.now.nanoseconds
    case .processTime: return runTimeNow
    case .threadTime:
      charge(current, until: machine.now)
      return heap[current].runTime
    }
  }

  /// The clock of a process or thread by its number. Linux: `MAKE_PROCESS_CPUCLOCK()`.
  private func read(processorClock number: Int32) throws(Errno) -> UInt64 {
    let identifier = UInt32(bitPattern: ~(number >> 3))
    guard number & 3 != 3 else { throw .EINVAL }
    charge(current, until: machine.now)
    guard let task = identifier == 0 ? current : findTask(identifier) else { throw .EINVAL }
    let owner = heap[task].process
    if number & 4 != 0 {
      guard owner == process else { throw .EINVAL }
      return heap[task].runTime
    }
    return heap[owner].runTime
  }

  /// Linux: `clock_settime`, `settimeofday`, `adjtimex`: time is the machine's own.
  func refuseToSetClock(_ number: UInt64) throws(Errno) -> UInt64 {
    _ = try read(clock: number)
    let clock = ClockNumber(rawValue: UInt32(truncatingIfNeeded: number))
    throw clock == .realtime ? .EPERM : .EINVAL
  }

  /// Linux: `clock_adjtime`, `adjtimex`: what there is to know; nothing corrects the clock.
  ///
  /// - Throws: EPERM of a change, whoever wants it.
  func adjustClock(_ number: UInt64, _ address: UInt64) throws(Errno) -> UInt64 {
    var adjustment: ClockAdjustment = try load(at: address)
    _ = try read(clock: number)
    guard UInt32(truncatingIfNeeded: number) == ClockNumber.realtime.rawValue else {
      throw .EOPNOTSUPP
    }
    let modes = UInt32(truncatingIfNeeded: adjustment.modes)
    guard modes == 0 || modes == ClockAdjustment.readsOldOffset else { throw .EPERM }
    adjustment.describeUncorrected(at: TimeValue(nanoseconds: wallClock))
    try store(adjustment, at: address)
    return ClockAdjustment.isUncorrected
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
    let number = Int32(truncatingIfNeeded: call.first)
    switch ClockNumber(rawValue: UInt32(bitPattern: number)) {
    case .monotonicRaw, .realtimeCoarse, .monotonicCoarse, .threadTime, .realtimeAlarm,
      .bootAlarm:
      throw .EOPNOTSUPP
    default: break
    }
    let wish: TimeSpecification = try load(at: call.third)
    guard let time = wish.duration else { throw .EINVAL }
    if number < 0 || number == 2 { return try sleepProcessorTime(call.second, time, now) }
    guard call.second & 1 != 0 else {
      return try sleep(for: time, remainder: call.fourth)
    }
    return try sleep(for: time > now ? time - now : 0, remainder: 0)
  }

  /// Sleeps until the process has run for a time: other threads make it pass.
  private func sleepProcessorTime(
    _ flags: UInt64, _ time: UInt64, _ now: UInt64
  ) throws(Errno) -> UInt64 {
    let end = flags & 1 != 0 ? time : now &+ time
    let key = SleepKey.object(current.raw, channel: Channel.sleep)
    while runTimeNow < end {
      // Nobody else runs: it never comes.
      let isAlone = heap[process].liveTaskCount == 1
      let left = end - min(runTimeNow, end)
      let limit = isAlone ? VirtualTime.never : machine.now.advanced(byNanoseconds: left)
      guard sleepInterruptibly(on: key, until: limit) else { throw .EINTR }
    }
    return 0
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
}
