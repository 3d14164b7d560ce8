// SPDX-License-Identifier: Apache-2.0

/// The number of a CPU, from 0.
public struct CPUNumber: Hashable, Sendable, BitwiseCopyable {
  public let value: UInt8

  public init(_ value: UInt8) { self.value = value }

  public static var boot: Self { Self(0) }
  /// The most CPUs that per-CPU state is laid out for.
  public static var maximumCount: Int { 4 }
}
