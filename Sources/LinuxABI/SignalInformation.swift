// SPDX-License-Identifier: Apache-2.0

/// What goes with a signal: the part of 48 bytes that the kernel keeps; programs see 80 zeros
/// behind it. Linux: `kernel_siginfo_t`.
public struct SignalInformation: Sendable, BitwiseCopyable {
  public var signal: Int32 = 0
  public var error: Int32 = 0
  public var code: Int32 = 0
  private var padding: Int32 = 0
  /// Sender's pid and user; timer's number and overruns; the address of a fault.
  public var first: UInt64 = 0
  /// The value sent; a child's status, in the low half.
  public var second: UInt64 = 0
  /// A child's user and system time, in ticks.
  public var third: UInt64 = 0
  public var fourth: UInt64 = 0

  public init() {}

  /// A signal with where it comes from and what fills its first fields.
  public init(_ signal: Signal, code: Int32, first: UInt64 = 0, second: UInt64 = 0) {
    self.signal = Int32(signal.number)
    self.code = code
    self.first = first
    self.second = second
  }

  /// A signal that a process sent.
  public init(_ signal: Signal, code: Int32, sender: UInt32, user: UInt32, value: UInt64 = 0) {
    self.init(signal, code: code, first: UInt64(sender) | UInt64(user) << 32, second: value)
  }

  public var sender: UInt32 { UInt32(truncatingIfNeeded: first) }
  public var user: UInt32 { UInt32(truncatingIfNeeded: first >> 32) }

  /// By `kill`. Linux: `SI_USER`.
  public static var fromUser: Int32 { 0 }
  /// By the kernel. Linux: `SI_KERNEL`.
  public static var fromKernel: Int32 { 0x80 }
  /// By `sigqueue`. Linux: `SI_QUEUE`.
  public static var fromQueue: Int32 { -1 }
  /// By a timer. Linux: `SI_TIMER`.
  public static var fromTimer: Int32 { -2 }
  /// By `tgkill`. Linux: `SI_TKILL`.
  public static var fromThread: Int32 { -6 }
  /// The bytes that programs see.
  public static var programByteCount: Int { 128 }
}

/// What a signal's file gives for a signal. Linux: `struct signalfd_siginfo`, 128 bytes.
public struct SignalFileRecord: Sendable, BitwiseCopyable {
  public var signal: UInt32
  public var error: Int32
  public var code: Int32
  public var sender: UInt32 = 0
  public var user: UInt32 = 0
  public var descriptor: Int32 = 0
  public var timer: UInt32 = 0
  public var band: UInt32 = 0
  public var overruns: UInt32 = 0
  public var trap: UInt32 = 0
  public var status: Int32 = 0
  public var number: Int32 = 0
  public var value: UInt64 = 0
  public var userTime: UInt64 = 0
  public var systemTime: UInt64 = 0
  public var address: UInt64 = 0
  private var rest = InlineArray<6, UInt64>(repeating: 0)

  /// Linux: `signalfd_copyinfo()`.
  public init(_ information: SignalInformation) {
    signal = UInt32(bitPattern: information.signal)
    error = information.error
    code = information.code
    let isFault = code > 0 && code < SignalInformation.fromKernel && 1 << signal & 0x9B0 != 0
    if isFault {
      address = information.first
      return
    }
    if information.isOfFile {
      band = UInt32(truncatingIfNeeded: information.first)
      descriptor = Int32(truncatingIfNeeded: information.second)
      return
    }
    if code == SignalInformation.fromTimer {
      timer = information.sender
      overruns = information.user
    } else {
      sender = information.sender
      user = information.user
    }
    if code < 0, code != SignalInformation.fromThread {
      value = information.second
      number = Int32(truncatingIfNeeded: information.second)
    }
    if code > 0, code < SignalInformation.fromKernel, signal == 17 {
      status = Int32(truncatingIfNeeded: information.second)
      userTime = information.third
      systemTime = information.fourth
    }
  }

  public static var byteCount: Int { 128 }
}
