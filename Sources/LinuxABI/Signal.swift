// SPDX-License-Identifier: Apache-2.0

/// A signal by its number, 1 to 64. The names are Linux's own.
///
/// Linux: `include/uapi/asm-generic/signal.h`.
public struct Signal: Equatable, Sendable, BitwiseCopyable {
  public let number: UInt8

  /// - Precondition: 1 to 64; `init(exactly:)` is for what a program passes.
  public init(_ number: UInt8) {
    precondition(number >= 1 && number <= 64, "no such signal")
    self.number = number
  }

  public init?(exactly number: Int) {
    guard number >= 1 && number <= 64 else { return nil }
    self.number = UInt8(number)
  }

  public static var SIGHUP: Self { Self(1) }
  public static var SIGINT: Self { Self(2) }
  public static var SIGQUIT: Self { Self(3) }
  public static var SIGILL: Self { Self(4) }
  public static var SIGTRAP: Self { Self(5) }
  public static var SIGABRT: Self { Self(6) }
  public static var SIGBUS: Self { Self(7) }
  public static var SIGFPE: Self { Self(8) }
  public static var SIGKILL: Self { Self(9) }
  public static var SIGSEGV: Self { Self(11) }
  public static var SIGPIPE: Self { Self(13) }
  public static var SIGALRM: Self { Self(14) }
  public static var SIGTERM: Self { Self(15) }
  public static var SIGCHLD: Self { Self(17) }
  public static var SIGCONT: Self { Self(18) }
  public static var SIGSTOP: Self { Self(19) }
  public static var SIGTSTP: Self { Self(20) }
  public static var SIGTTIN: Self { Self(21) }
  public static var SIGTTOU: Self { Self(22) }
  public static var SIGURG: Self { Self(23) }
  public static var SIGXCPU: Self { Self(24) }
  public static var SIGXFSZ: Self { Self(25) }
  public static var SIGVTALRM: Self { Self(26) }
  public static var SIGPROF: Self { Self(27) }
  public static var SIGWINCH: Self { Self(28) }
  public static var SIGIO: Self { Self(29) }
  public static var SIGSYS: Self { Self(31) }

  /// Whether each that is sent comes, in order, with its value. Linux: `SIGRTMIN` and above.
  public var isQueued: Bool { number >= 32 }

  /// What a signal does that the program has no handler for. Linux: `signal(7)`, the table.
  public enum DefaultAction: Sendable { case terminate, core, stop, resume, ignore }

  public var defaultAction: DefaultAction {
    switch number {
    case 17, 23, 28: .ignore
    case 18: .resume
    case 19, 20, 21, 22: .stop
    case 3, 4, 5, 6, 7, 8, 11, 24, 25, 31: .core
    default: .terminate
    }
  }
}

/// A set of signals: bit n − 1 for signal n. Linux: `sigset_t`.
public struct SignalSet: Equatable, Sendable, BitwiseCopyable {
  public var bits: UInt64

  public init(bits: UInt64) { self.bits = bits }
  public init(_ signal: Signal) { bits = 1 << (UInt64(signal.number) - 1) }

  public static var empty: Self { Self(bits: 0) }
  /// SIGKILL and SIGSTOP, which nobody can block, catch or ignore.
  public static var unblockable: Self { Self(.SIGKILL).union(Self(.SIGSTOP)) }
  /// Those that stop a process. Linux: `SIG_KERNEL_STOP_MASK`.
  public static var stopping: Self { Self(bits: 0x003C_0000) }
  /// Those that an instruction causes, delivered before others. Linux: `SYNCHRONOUS_MASK`.
  public static var synchronous: Self { Self(bits: 0x4000_04D8) }

  public var isEmpty: Bool { bits == 0 }
  /// Whether a signal is in it. Linux: `sigismember()`.
  public func contains(_ signal: Signal) -> Bool { bits & Self(signal).bits != 0 }
  /// The signals that are in either.
  public func union(_ other: Self) -> Self { Self(bits: bits | other.bits) }
  /// Its signals that are not in the other.
  public func subtracting(_ other: Self) -> Self { Self(bits: bits & ~other.bits) }

  /// The signal with the smallest number, nil if there is none.
  public var first: Signal? {
    bits == 0 ? nil : Signal(UInt8(bits.trailingZeroBitCount + 1))
  }
}

/// What a program wants done with a signal. Linux: `struct kernel_sigaction`.
public struct SignalAction: Sendable, BitwiseCopyable {
  public var handler: UInt64
  public var flags: UInt64
  public var restorer: UInt64
  public var mask: SignalSet

  public init() {
    handler = Self.defaultHandler
    flags = 0
    restorer = 0
    mask = .empty
  }

  /// Linux: `SIG_DFL`.
  public static var defaultHandler: UInt64 { 0 }
  /// Linux: `SIG_IGN`.
  public static var ignoringHandler: UInt64 { 1 }

  /// What the kernel keeps of the flags. Linux: `UAPI_SA_FLAGS`.
  public static var knownFlags: UInt64 { 0xDC00_0807 }

  public static var noChildStop: UInt64 { 0x1 }  // SA_NOCLDSTOP
  public static var noChildWait: UInt64 { 0x2 }  // SA_NOCLDWAIT
  public static var restorerGiven: UInt64 { 0x0400_0000 }  // SA_RESTORER
  public static var onAlternateStack: UInt64 { 0x0800_0000 }  // SA_ONSTACK
  public static var restart: UInt64 { 0x1000_0000 }  // SA_RESTART
  public static var noDefer: UInt64 { 0x4000_0000 }  // SA_NODEFER
  public static var resetHandler: UInt64 { 0x8000_0000 }  // SA_RESETHAND
}

/// Where a child's signal comes from. Linux: `CLD_*`.
public enum ChildCode: Int32, Sendable {
  case exited = 1, killed, dumped, trapped, stopped, continued
}

/// Another stack for handlers. Linux: `stack_t`.
public struct SignalStack: Sendable, BitwiseCopyable {
  public var base: UInt64
  public var flags: Int32
  private var padding: Int32 = 0
  public var byteCount: UInt64

  public init(base: UInt64, flags: Int32, byteCount: UInt64) {
    self.base = base
    self.flags = flags
    self.byteCount = byteCount
  }

  /// Linux: `SS_ONSTACK`.
  public static var inUse: Int32 { 1 }
  /// The stack is given up while a handler runs on it. Linux: `SS_AUTODISARM`.
  public static var disarms: Int32 { .min }
  /// Linux: `SS_DISABLE`.
  public static var disabled: Int32 { 2 }
  /// Linux: `MINSIGSTKSZ`.
  public static var minimum: UInt64 { 2048 }
}
