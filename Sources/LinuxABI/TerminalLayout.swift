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
}

/// The size of a terminal's window: 8 bytes. Linux: `struct winsize`.
public struct WindowSize: BitwiseCopyable, Sendable {
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
  /// Linux: `TIOCGPGRP`.
  case getForegroundGroup = 0x540F
  /// Linux: `TIOCSPGRP`.
  case setForegroundGroup = 0x5410
  /// Linux: `TIOCGWINSZ`.
  case getWindowSize = 0x5413
  /// Linux: `FIONREAD`.
  case readableByteCount = 0x541B
  /// Linux: `FIONBIO`.
  case setNonBlocking = 0x5421
}
