// SPDX-License-Identifier: Apache-2.0

import MemoryUnits

/// A size as a user writes it: `4096`, `64K`, `256M`, `2G`, in powers of 1,024.
public struct SizeArgument: Equatable, Sendable {
  public let bytes: ByteCount

  public init(_ bytes: ByteCount) { self.bytes = bytes }

  /// Reads a size, or gives nil for anything else, zero and sizes beyond 64 bits included.
  public init?(argument: String) {
    var digits = argument.utf8[...]
    var shift: UInt64 = 0
    if let last = digits.last, let unit = Self.shift(of: last) {
      shift = unit
      digits.removeLast()
    }
    guard let value = decimalNumber(digits), value > 0, value <= UInt64.max >> shift else {
      return nil
    }
    bytes = ByteCount(value << shift)
  }

  private static func shift(of letter: UInt8) -> UInt64? {
    switch letter {
    case UInt8(ascii: "K"), UInt8(ascii: "k"): 10
    case UInt8(ascii: "M"), UInt8(ascii: "m"): 20
    case UInt8(ascii: "G"), UInt8(ascii: "g"): 30
    case UInt8(ascii: "T"), UInt8(ascii: "t"): 40
    default: nil
    }
  }
}

extension SizeArgument: CustomStringConvertible {
  /// The size as a user would write it.
  public var description: String {
    for (letter, shift) in [("T", UInt64(40)), ("G", 30), ("M", 20), ("K", 10)]
    where bytes.value.trailingZeroBitCount >= shift {
      return "\(bytes.value >> shift)\(letter)"
    }
    return "\(bytes.value)"
  }
}

/// Decimal digits as a number; nil for an empty text, any other character, and overflow.
func decimalNumber(_ digits: Substring.UTF8View) -> UInt64? {
  guard !digits.isEmpty else { return nil }
  var value: UInt64 = 0
  for digit in digits {
    guard digit >= UInt8(ascii: "0"), digit <= UInt8(ascii: "9") else { return nil }
    let (product, tooLarge) = value.multipliedReportingOverflow(by: 10)
    let (sum, tooLargeStill) = product.addingReportingOverflow(UInt64(digit - UInt8(ascii: "0")))
    guard !tooLarge, !tooLargeStill else { return nil }
    value = sum
  }
  return value
}

extension ByteCount {
  /// The size for people: `64 MiB`, `2.1 MiB`, `512 KiB`, `17 bytes`.
  var readable: String {
    let units: [(String, UInt64)] = [("GiB", 30), ("MiB", 20), ("KiB", 10)]
    for (name, shift) in units where value >= 1 << shift {
      let tenths = (value >> (shift - 10)) * 10 + (1 << 9)
      let rounded = tenths >> 10
      let fraction = rounded % 10
      return fraction == 0 ? "\(rounded / 10) \(name)" : "\(rounded / 10).\(fraction) \(name)"
    }
    return "\(value) bytes"
  }
}

/// A number with a comma between each three digits.
func grouped(_ number: UInt64) -> String {
  var text = ""
  let digits = Array(String(number))
  for (index, digit) in digits.enumerated() {
    if index > 0, (digits.count - index) % 3 == 0 { text.append(",") }
    text.append(digit)
  }
  return text
}
