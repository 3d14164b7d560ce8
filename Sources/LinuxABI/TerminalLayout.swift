// SPDX-License-Identifier: Apache-2.0

/// The settings of a terminal: 36 bytes. Linux: the kernel's `struct termios`.
public struct TerminalSettings: BitwiseCopyable, Sendable {
  public var inputFlags: UInt32
  public var outputFlags: UInt32
  public var controlFlags: UInt32
  public var localFlags: UInt32
  public var lineDiscipline: UInt8
  public var controlCharacters: InlineArray<19, UInt8>

  /// Linux: `tty_std_termios`.
  public static var standard: Self {
    var characters = InlineArray<19, UInt8>(repeating: 0)
    characters[0] = 3  // interrupt
    characters[1] = 28  // quit
    characters[2] = 127  // erase
    characters[3] = 21  // kill
    characters[4] = 4  // end of file
    characters[6] = 1  // minimum
    characters[8] = 17  // start
    characters[9] = 19  // stop
    characters[10] = 26  // suspend
    characters[12] = 18  // reprint
    characters[13] = 15  // discard
    characters[14] = 23  // word erase
    characters[15] = 22  // literal next
    return Self(
      inputFlags: 0x500, outputFlags: 0x5, controlFlags: 0xBF, localFlags: 0x8A3B,
      lineDiscipline: 0, controlCharacters: characters)
  }

  public static var byteCountOfLayout: Int { 36 }

  /// A key's character; 0 where the key has no effect.
  public func character(_ key: TerminalKey) -> UInt8 { controlCharacters[Int(key.rawValue)] }

  /// Whether a character is that of a key. Linux: `__DISABLED_CHAR` is never one.
  public func isKey(_ key: TerminalKey, _ byte: UInt8) -> Bool {
    byte != 0 && character(key) == byte
  }

  /// Whether an input flag is set.
  public func has(_ flag: TerminalInput) -> Bool { inputFlags & flag.rawValue != 0 }
  /// Whether an output flag is set.
  public func has(_ flag: TerminalOutput) -> Bool { outputFlags & flag.rawValue != 0 }
  /// Whether a local flag is set.
  public func has(_ flag: TerminalMode) -> Bool { localFlags & flag.rawValue != 0 }
}

/// The keys with an effect, by their places. Linux: `VINTR` and its kin.
public enum TerminalKey: UInt8, Sendable, BitwiseCopyable {
  case interrupt = 0, quit, erase, kill, endOfFile, time, minimum, switching, start, stop
  case suspend, endOfLine, reprint, discard, wordErase, literalNext, secondEndOfLine
}

/// What is done with input. Linux: `c_iflag`.
public enum TerminalInput: UInt32, Sendable, BitwiseCopyable {
  case strip = 0x20  // ISTRIP
  case newlineToReturn = 0x40  // INLCR
  case ignoreReturn = 0x80  // IGNCR
  case returnToNewline = 0x100  // ICRNL
  case lowerCase = 0x200  // IUCLC
  case flowControl = 0x400  // IXON
  case anyKeyStarts = 0x800  // IXANY
  case bellWhenFull = 0x2000  // IMAXBEL
  case utf8 = 0x4000  // IUTF8
}

/// What is done with output. Linux: `c_oflag`.
public enum TerminalOutput: UInt32, Sendable, BitwiseCopyable {
  case process = 0x1  // OPOST
  case upperCase = 0x2  // OLCUC
  case newlineToReturnNewline = 0x4  // ONLCR
  case returnBecomesNewline = 0x8  // OCRNL
  case noReturnAtStart = 0x10  // ONOCR
  case newlineReturns = 0x20  // ONLRET
  case tabsToSpaces = 0x1800  // XTABS
}

/// What a terminal does by itself. Linux: `c_lflag`.
public enum TerminalMode: UInt32, Sendable, BitwiseCopyable {
  case signals = 0x1  // ISIG
  case lines = 0x2  // ICANON
  case echo = 0x8  // ECHO
  case echoErase = 0x10  // ECHOE
  case echoKill = 0x20  // ECHOK
  case echoNewline = 0x40  // ECHONL
  case noFlush = 0x80  // NOFLSH
  case stopsBackgroundOutput = 0x100  // TOSTOP
  case echoControl = 0x200  // ECHOCTL
  case echoPrint = 0x400  // ECHOPRT
  case echoKillByErasing = 0x800  // ECHOKE
  case extended = 0x8000  // IEXTEN
}

/// The size of a terminal's window: 8 bytes. Linux: `struct winsize`.
public struct WindowSize: BitwiseCopyable, Sendable, Equatable {
  public var rows: UInt16
  public var columns: UInt16
  public var width: UInt16 = 0
  public var height: UInt16 = 0

  public init(rows: UInt16, columns: UInt16) {
    self.rows = rows
    self.columns = columns
  }
}

/// The requests to devices that are known by name. Linux: `ioctl` numbers.
public enum DeviceRequest: UInt32, Sendable, BitwiseCopyable {
  /// Linux: `TCGETS`.
  case getTerminalSettings = 0x5401
  /// Linux: `TCSETS`.
  case setTerminalSettings = 0x5402
  /// Linux: `TCSETSW`.
  case setTerminalSettingsDrained = 0x5403
  /// Linux: `TCSETSF`.
  case setTerminalSettingsFlushed = 0x5404
  /// Linux: `TCSBRK`.
  case sendBreak = 0x5409
  /// Linux: `TCXONC`.
  case controlFlow = 0x540A
  /// Linux: `TCFLSH`.
  case flushTerminal = 0x540B
  /// Linux: `TIOCEXCL`.
  case setExclusive = 0x540C
  /// Linux: `TIOCNXCL`.
  case clearExclusive = 0x540D
  /// Linux: `TIOCSCTTY`.
  case setControllingTerminal = 0x540E
  /// Linux: `TIOCGPGRP`.
  case getForegroundGroup = 0x540F
  /// Linux: `TIOCSPGRP`.
  case setForegroundGroup = 0x5410
  /// Linux: `TIOCOUTQ`.
  case writableByteCount = 0x5411
  /// Linux: `TIOCSTI`.
  case insertInput = 0x5412
  /// Linux: `TIOCGWINSZ`.
  case getWindowSize = 0x5413
  /// Linux: `TIOCSWINSZ`.
  case setWindowSize = 0x5414
  /// Linux: `FIONREAD`.
  case readableByteCount = 0x541B
  /// Linux: `FIONBIO`.
  case setNonBlocking = 0x5421
  /// Linux: `TIOCNOTTY`.
  case dropControllingTerminal = 0x5422
  /// Linux: `TCSBRKP`.
  case sendPosixBreak = 0x5425
  /// Linux: `TIOCGSID`.
  case getTerminalSession = 0x5429
  /// Linux: `TIOCGPTN`.
  case getPseudoTerminalNumber = 0x8004_5430
  /// Linux: `TIOCSPTLCK`.
  case lockPseudoTerminal = 0x4004_5431
  /// Linux: `TIOCGPTLCK`.
  case getPseudoTerminalLock = 0x8004_5439
  /// Linux: `TIOCGPTPEER`.
  case openPseudoTerminalPeer = 0x5441
  /// Linux: `FIONCLEX`.
  case keepOnExecute = 0x5450
  /// Linux: `FIOCLEX`.
  case closeOnExecute = 0x5451
  /// Linux: `FIOASYNC`.
  case setSignalsReadiness = 0x5452
  /// Linux: `FIOSETOWN`.
  case setSocketOwner = 0x8901
  /// Linux: `SIOCSPGRP`.
  case setSocketGroup = 0x8902
  /// Linux: `FIOGETOWN`.
  case getSocketOwner = 0x8903
  /// Linux: `SIOCGPGRP`.
  case getSocketGroup = 0x8904
}
