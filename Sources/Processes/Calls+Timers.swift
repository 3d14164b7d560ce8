// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import FileSystems
import IntrusiveStructures
import KernelHeap
import LinuxABI
import Machine
import MemoryUnits

/// The system calls on timers.
extension Kernel {
  /// Nanoseconds left of the alarm, at least a microsecond while it runs.
  private var remainingAlarm: UInt64 {
    guard let timer = heap[process].alarm.reference, heap[timer].isQueued else { return 0 }
    let now = machine.now.nanoseconds
    let deadline = heap[timer].deadline.nanoseconds
    return deadline > now ? max(deadline - now, 1000) : 1000
  }

  private func setAlarm(_ value: UInt64, interval: UInt64) throws(Errno) {
    guard value != 0 || heap[process].alarm.raw != 0 else { return }
    let timer = try alarmTimer()
    stop(timer)
    heap[timer].deadline = .never
    heap[process].alarmInterval = value == 0 ? 0 : interval
    if value != 0 { start(timer, at: machine.now.advanced(byNanoseconds: value)) }
  }

  /// Linux: `alarm`.
  func setAlarm(_ call: CallArguments) throws(Errno) -> UInt64 {
    let left = remainingAlarm
    let seconds = call.first & 0xFFFF_FFFF
    try setAlarm(seconds * 1_000_000_000, interval: 0)
    // Less than half a second counts only where nothing else is left.
    let rounded = (left + 500_000_000) / 1_000_000_000
    return left > 0 ? max(rounded, 1) : 0
  }

  private func setting(of which: UInt64) throws(Errno) -> IntervalTimer {
    switch which & 0xFFFF_FFFF {
    case 0:
      return IntervalTimer(
        interval: TimeValue(nanoseconds: heap[process].alarmInterval),
        value: TimeValue(nanoseconds: remainingAlarm))
    case 1, 2:
      let timer = which == 1 ? heap[process].virtualTimer : heap[process].profileTimer
      let ran = runTimeNow
      let rest = timer.deadline > ran ? timer.deadline - ran : 0
      let left = timer.deadline == 0 ? 0 : max(rest, 1000)
      return IntervalTimer(
        interval: TimeValue(nanoseconds: timer.interval), value: TimeValue(nanoseconds: left))
    default: throw .EINVAL
    }
  }

  /// Linux: `getitimer`.
  func intervalTimer(_ call: CallArguments) throws(Errno) -> UInt64 {
    try store(setting(of: call.first), at: call.second)
    return 0
  }

  /// Linux: `setitimer`; without a new value it stops the timer, as there.
  func setIntervalTimer(_ call: CallArguments) throws(Errno) -> UInt64 {
    var value: UInt64 = 0
    var interval: UInt64 = 0
    if call.second != 0 {
      let new: IntervalTimer = try load(at: call.second)
      guard let newValue = new.value.duration, let newInterval = new.interval.duration else {
        throw .EINVAL
      }
      value = newValue
      interval = newInterval
    }
    let old = try setting(of: call.first)
    if call.first & 0xFFFF_FFFF == 0 {
      try setAlarm(value, interval: interval)
    } else {
      let deadline = value == 0 ? 0 : runTimeNow &+ value
      let timer = ProcessorTimer(deadline: deadline, interval: value == 0 ? 0 : interval)
      if call.first & 0xFFFF_FFFF == 1 {
        heap[process].virtualTimer = timer
      } else {
        heap[process].profileTimer = timer
      }
      state.value.exitWork.formUnion(.timer)
    }
    if call.third != 0 { try store(old, at: call.third) }
    return 0
  }

  // timer_create

  /// Linux: `struct sigevent`, its first 20 bytes.
  private struct TimerEvent: BitwiseCopyable {
    var value: UInt64
    var signal: Int32
    var notification: Int32
    var task: Int32
  }

  /// Linux: `timer_create`, of clocks that pass by themselves.
  func createTimer(_ call: CallArguments) throws(Errno) -> UInt64 {
    let isWallClock: Bool
    switch ClockNumber(rawValue: UInt32(truncatingIfNeeded: call.first)) {
    case .realtime, .atomic: isWallClock = true
    case .monotonic, .boot: isWallClock = false
    case .realtimeAlarm, .bootAlarm, .monotonicRaw, .realtimeCoarse, .monotonicCoarse,
      .processTime, .threadTime:
      throw .EOPNOTSUPP
    case nil: throw .EINVAL
    }
    var event = TimerEvent(
      value: UInt64(heap[process].lastTimerNumber), signal: 14, notification: 0, task: 0)
    if call.second != 0 {
      event.value = try load(at: call.second)
      event.signal = try load(at: call.second &+ 8)
      event.notification = try load(at: call.second &+ 12)
      event.task = try load(at: call.second &+ 16)
    }
    let signal = try signal(of: event)
    let number = heap[process].lastTimerNumber
    let owner = try allocate(
      ProgramTimer(
        number: number, process: process, isWallClock: isWallClock, signal: signal,
        task: event.notification == 4 ? UInt32(bitPattern: event.task) : 0, value: event.value))
    do throws(Errno) {
      heap[owner].timer = Link(try allocate(ScheduledTimer(.program, owner.raw)))
      try store(number, at: call.third)
    } catch {
      free(owner)
      throw error
    }
    heap[process].lastTimerNumber += 1
    heap[owner].next = heap[process].programTimers
    heap[process].programTimers = Link(owner)
    return 0
  }

  /// Linux: `good_sigevent()`.
  private func signal(of event: TimerEvent) throws(Errno) -> Signal? {
    switch event.notification {
    case 1: return nil
    case 0, 2: break
    case 4:
      guard let task = findTask(UInt32(bitPattern: event.task)), heap[task].process == process
      else { throw .EINVAL }
    default: throw .EINVAL
    }
    guard let signal = Signal(exactly: Int(event.signal)) else { throw .EINVAL }
    return signal
  }

  private func setting(of owner: Reference<ProgramTimer>) -> TimerSetting {
    let interval = heap[owner].interval
    var setting = TimerSetting(value: 0, interval: interval)
    guard let timer = heap[owner].timer.reference, heap[timer].deadline != .never else {
      return setting
    }
    let now = machine.now.nanoseconds
    let deadline = heap[timer].deadline.nanoseconds
    if heap[timer].isQueued {
      setting.value = deadline > now ? deadline - now : 1
    } else if interval > 0 {
      setting.value = interval - (now - deadline) % interval
    }
    return setting
  }

  /// Linux: `timer_settime`.
  func setProgramTimer(_ call: CallArguments) throws(Errno) -> UInt64 {
    guard call.third != 0 else { throw .EINVAL }
    let wish = try timerSetting(at: call.third)
    let owner = try programTimer(call.first)
    guard let timer = heap[owner].timer.reference else { throw .EINVAL }
    let old = setting(of: owner)
    stop(timer)
    heap[timer].deadline = .never
    heap[owner].isPending = false
    heap[owner].overruns = 0
    heap[owner].interval = wish.value == 0 ? 0 : wish.interval
    if wish.value != 0 {
      let isAbsolute = call.second & 1 != 0
      start(timer, at: deadline(wish.value, isAbsolute, heap[owner].isWallClock))
    }
    if call.fourth != 0 { try store(old, at: call.fourth) }
    return 0
  }

  /// The virtual time of a program's wish.
  func deadline(_ value: UInt64, _ isAbsolute: Bool, _ isWallClock: Bool) -> VirtualTime {
    guard isAbsolute else { return machine.now.advanced(byNanoseconds: value) }
    let epoch = isWallClock ? files.value.bootTime &* 1_000_000_000 : 0
    return VirtualTime(nanoseconds: value > epoch ? value - epoch : 0)
  }

  /// Linux: `timer_gettime`.
  func programTimerSetting(_ call: CallArguments) throws(Errno) -> UInt64 {
    try store(setting(of: programTimer(call.first)), at: call.second)
    return 0
  }

  /// Linux: `timer_getoverrun`.
  func programTimerOverruns(_ call: CallArguments) throws(Errno) -> UInt64 {
    UInt64(heap[try programTimer(call.first)].overruns)
  }

  /// Linux: `timer_delete`.
  func deleteTimer(_ call: CallArguments) throws(Errno) -> UInt64 {
    free(try programTimer(call.first))
    return 0
  }

  /// Linux: `struct itimerspec`.
  func timerSetting(at address: UInt64) throws(Errno) -> TimerSetting {
    let interval: TimeSpecification = try load(at: address)
    let value: TimeSpecification = try load(at: address &+ 16)
    guard let interval = interval.duration, let value = value.duration else { throw .EINVAL }
    return TimerSetting(value: value, interval: interval)
  }

  func store(_ setting: TimerSetting, at address: UInt64) throws(Errno) {
    try store(TimeSpecification(nanoseconds: setting.interval), at: address)
    try store(TimeSpecification(nanoseconds: setting.value), at: address &+ 16)
  }
}
