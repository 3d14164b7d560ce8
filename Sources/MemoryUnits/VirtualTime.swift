// SPDX-License-Identifier: Apache-2.0

/// Nanoseconds of the machine's own time since its kernel began: instructions that it executed
/// plus the modelled time of devices. The host's time is no part of it.
public struct VirtualTime: Hashable, Comparable, Sendable, BitwiseCopyable {
  public let nanoseconds: UInt64

  public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

  public static var zero: Self { Self(nanoseconds: 0) }
  /// Later than everything that is planned.
  public static var never: Self { Self(nanoseconds: .max) }

  /// The time so many nanoseconds later; `never` where that passes the last.
  public func advanced(byNanoseconds count: UInt64) -> Self {
    let (sum, overflow) = nanoseconds.addingReportingOverflow(count)
    return overflow ? .never : Self(nanoseconds: sum)
  }

  public static func < (left: Self, right: Self) -> Bool { left.nanoseconds < right.nanoseconds }
}
