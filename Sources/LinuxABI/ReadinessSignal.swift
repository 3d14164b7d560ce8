// SPDX-License-Identifier: Apache-2.0

/// What a signal of readiness tells of a file. Linux: the `POLL_` codes of SIGIO.
public enum ReadinessReason: Int32, BitwiseCopyable, Sendable {
  /// Linux: `POLL_IN`.
  case input = 1
  /// Linux: `POLL_OUT`.
  case output = 2
  /// Linux: `POLL_HUP`.
  case hangUp = 6

  /// As `poll` says it. Linux: `band_table`.
  public var band: UInt64 {
    switch self {
    case .input: 0x041  // POLLIN, POLLRDNORM
    case .output: 0x304  // POLLOUT, POLLWRNORM, POLLWRBAND
    case .hangUp: 0x018  // POLLERR, POLLHUP
    }
  }
}

extension SignalInformation {
  /// A signal that a file is ready.
  ///
  /// Linux: `send_sigio_to_task()`.
  public init(_ signal: Signal, _ reason: ReadinessReason, descriptor: UInt32) {
    // Where a signal's codes mean something of its own they would be mistaken for that.
    let code = Self.hasOwnCodes(signal) ? Self.fromFile : reason.rawValue
    self.init(signal, code: code, first: reason.band, second: UInt64(descriptor))
  }

  /// Linux: `SI_SIGIO`.
  public static var fromFile: Int32 { -5 }

  /// Linux: `sig_specific_sicodes()`, but SIGIO.
  static func hasOwnCodes(_ signal: Signal) -> Bool {
    switch signal {
    case .SIGILL, .SIGTRAP, .SIGBUS, .SIGFPE, .SIGSEGV, .SIGCHLD, .SIGSYS: true
    default: false
    }
  }

  /// Whether it tells of a file. Linux: `SIL_POLL`.
  public var isOfFile: Bool {
    if code == Self.fromFile { return true }
    guard let signal = Signal(exactly: Int(signal)) else { return false }
    return (1...6).contains(code) && !Self.hasOwnCodes(signal)
  }
}
