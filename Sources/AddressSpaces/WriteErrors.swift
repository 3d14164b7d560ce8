// SPDX-License-Identifier: Apache-2.0

/// Transfers to a disk that failed, of which each who asks is told once.
///
/// An error that nobody was told of yet is told to those who begin to look later, too: so none is
/// lost because the file was closed in between.
///
/// Linux: `errseq_t`.
public struct WriteErrors: BitwiseCopyable, Sendable {
  /// Errors by twos, those that came before the last was told as one; odd once that was told.
  private var value: UInt32 = 0

  public init() {}

  /// Notes one more. Linux: `errseq_set()`.
  public mutating func note() {
    if value == 0 {
      value = 2
    } else if !isUntold {
      value = (value & ~1) &+ 2
    }
  }

  /// Whether nobody was told of the last one. Linux: `ERRSEQ_SEEN` is not set.
  public var isUntold: Bool { value != 0 && value & 1 == 0 }

  /// From where on somebody is told who looks for the first time. Linux: `errseq_sample()`.
  public var start: WriteErrorMark { isUntold ? WriteErrorMark() : WriteErrorMark(value: value) }

  /// Whether there was an error since a mark, which moves on.
  ///
  /// Linux: `errseq_check_and_advance()`.
  public mutating func take(since mark: inout WriteErrorMark) -> Bool {
    guard mark.value != value else { return false }
    value |= 1
    mark.value = value
    return true
  }
}

/// Up to where somebody was told of errors.
public struct WriteErrorMark: BitwiseCopyable, Sendable {
  fileprivate var value: UInt32 = 0

  public init() {}

  fileprivate init(value: UInt32) { self.value = value }
}
