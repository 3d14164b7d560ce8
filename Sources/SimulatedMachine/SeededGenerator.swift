// SPDX-License-Identifier: Apache-2.0

/// Random numbers that a seed decides: the same on every host and in every run.
///
/// SplitMix64 (Steele, Lea, Flood, 2014).
public struct SeededGenerator: RandomNumberGenerator, Sendable {
  private var state: UInt64

  public init(seed: UInt64) { state = seed }

  public mutating func next() -> UInt64 {
    // Wrapping is the algorithm.
    state &+= 0x9E37_79B9_7F4A_7C15
    var word = state
    word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
    word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
    return word ^ (word >> 31)
  }

  /// A number from 0 up to a limit that is not reached.
  ///
  /// - Precondition: the limit is positive.
  public mutating func number(below limit: Int) -> Int {
    precondition(limit > 0, "nothing to choose from")
    return Int(truncatingIfNeeded: (next() >> 1) % UInt64(limit))
  }

  /// True once in so many calls, on average.
  public mutating func oneIn(_ count: Int) -> Bool { number(below: count) == 0 }
}
