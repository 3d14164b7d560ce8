// SPDX-License-Identifier: Apache-2.0

/// The form of files on their way out of the machine: records of a kind, a number, a count of
/// bytes and that many bytes.
///
///      0      4        8       16
///      │ kind │ number │ count │ bytes …
public enum SaveRecord {
  /// What a record says.
  public enum Kind: UInt32, Sendable {
    /// A wish begins; the number is its place among those of `ArgumentTag.save`.
    case begin = 1
    /// A folder; the number is its permissions, the bytes its path below what was wished.
    case folder = 2
    /// A file, in the same way; what it holds follows as data.
    case file = 3
    /// A symbolic link: its path, a zero byte, its text.
    case link = 4
    /// The next bytes of the last file.
    case data = 5
    /// What the bytes name cannot be read; the number is Linux's errno.
    case failure = 6
    case end = 7
  }

  public static var headerBytes: Int { 16 }
  /// The most bytes that a record carries.
  public static var largestCount: Int { 8192 }
}
