// SPDX-License-Identifier: Apache-2.0

/// Seconds and nanoseconds. Linux: `struct timespec`.
public struct TimeSpecification: Sendable, BitwiseCopyable {
  public var seconds: Int64
  public var nanoseconds: Int64

  public init(nanoseconds: UInt64) {
    seconds = Int64(nanoseconds / 1_000_000_000)
    self.nanoseconds = Int64(nanoseconds % 1_000_000_000)
  }

  /// All of it in nanoseconds, nil where it is no duration; too long ones become the longest.
  public var duration: UInt64? {
    guard seconds >= 0, nanoseconds >= 0, nanoseconds < 1_000_000_000 else { return nil }
    guard seconds < 9_000_000_000 else { return .max }
    return UInt64(seconds) * 1_000_000_000 + UInt64(nanoseconds)
  }
}

/// Seconds and microseconds. Linux: `struct timeval`.
public struct TimeValue: Sendable, BitwiseCopyable {
  public var seconds: Int64
  public var microseconds: Int64

  public init(nanoseconds: UInt64) {
    seconds = Int64(nanoseconds / 1_000_000_000)
    microseconds = Int64(nanoseconds % 1_000_000_000 / 1000)
  }

  /// All of it in nanoseconds, nil where it is no duration.
  public var duration: UInt64? {
    guard seconds >= 0, microseconds >= 0, microseconds < 1_000_000 else { return nil }
    guard seconds < 9_000_000_000 else { return .max }
    return UInt64(seconds) * 1_000_000_000 + UInt64(microseconds) * 1000
  }
}

/// An interval timer's setting. Linux: `struct itimerval`.
public struct IntervalTimer: Sendable, BitwiseCopyable {
  public var interval: TimeValue
  public var value: TimeValue

  public init(interval: TimeValue, value: TimeValue) {
    self.interval = interval
    self.value = value
  }
}

/// Linux: `struct tms`, in ticks.
public struct ProcessTimes: Sendable, BitwiseCopyable {
  public var user: Int64
  public var system: Int64
  public var childrenUser: Int64
  public var childrenSystem: Int64

  public init(user: Int64, system: Int64, childrenUser: Int64, childrenSystem: Int64) {
    self.user = user
    self.system = system
    self.childrenUser = childrenUser
    self.childrenSystem = childrenSystem
  }

  /// Linux: `USER_HZ`.
  public static var ticksPerSecond: UInt64 { 100 }
}

/// The clocks that a program can ask. Linux: `CLOCK_*`.
public enum ClockNumber: UInt32, Sendable {
  case realtime = 0, monotonic, processTime, threadTime, monotonicRaw, realtimeCoarse
  case monotonicCoarse, boot, realtimeAlarm, bootAlarm
  case atomic = 11
}

/// What is known of the clock's rightness. Linux: `struct __kernel_timex`.
public struct ClockAdjustment: Sendable, BitwiseCopyable {
  public var modes: UInt64
  public var offset: Int64
  public var frequency: Int64
  public var largestError: Int64
  public var estimatedError: Int64
  public var status: UInt64
  public var constant: Int64
  public var precision: Int64
  public var tolerance: Int64
  public var time: TimeValue
  public var tick: Int64
  /// Of pulses a second, which there are none of: frequency, jitter, shift, stability, counts.
  public var pulses: InlineArray<8, Int64>
  public var atomicOffset: Int32
  private var rest: InlineArray<11, Int32>

  /// Linux: `ADJ_OFFSET_SS_READ`.
  public static var readsOldOffset: UInt32 { 0xA001 }
  /// What the calls return of a clock that nothing corrects. Linux: `TIME_ERROR`.
  public static var isUncorrected: UInt64 { 5 }

  /// Sets all of it to what a clock has that nothing ever corrected.
  public mutating func describeUncorrected(at now: TimeValue) {
    offset = 0
    frequency = 0
    largestError = 16_000_000
    estimatedError = 16_000_000
    status = status & ~0xFFFF_FFFF | 0x40
    constant = 2
    precision = 1
    tolerance = 500 << 16
    time = now
    tick = 10_000
    pulses = InlineArray(repeating: 0)
    atomicOffset = 0
  }
}
