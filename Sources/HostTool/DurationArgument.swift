// SPDX-License-Identifier: Apache-2.0

/// A span of the host's time as a user writes it: `30`, `30s`, `500ms`, `2m`, `1h`.
public struct DurationArgument: Equatable, Sendable {
  public let milliseconds: UInt64

  /// Reads a span, or gives nil for anything else, zero included.
  public init?(argument: String) {
    let units: [(String, UInt64)] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)]
    var digits = argument.utf8[...]
    var scale: UInt64 = 1000
    if let unit = units.first(where: { argument.hasSuffix($0.0) }) {
      digits.removeLast(unit.0.utf8.count)
      scale = unit.1
    }
    guard let value = decimalNumber(digits), value > 0, value <= 1_000_000_000 else { return nil }
    milliseconds = value * scale
  }
}
