// SPDX-License-Identifier: Apache-2.0

/// The form of the channel's argument block: NUL-terminated UTF-8 strings, each after a byte that
/// says what it is, ended by a zero byte.
public enum ArgumentTag: UInt8, Sendable {
  case end = 0
  /// Path of the program inside the machine.
  case program = 1
  /// One argument; the first is argv[0].
  case argument = 2
  /// One `NAME=VALUE`.
  case environment = 3
  case workingFolder = 4
  /// User number, in decimal.
  case user = 5
  /// One word of the kernel's command line.
  case bootWord = 6
  /// One `NAME=VALUE` of `--set`.
  case setting = 7
  /// ssd, hdd or nvme.
  case diskModel = 8
  /// Absolute path of what is copied out when the program has ended.
  case save = 9
}
