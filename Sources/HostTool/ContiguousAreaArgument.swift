// SPDX-License-Identifier: Apache-2.0

import MemoryUnits

/// A contiguous area as a user asks for it: `SIZE[@BASE[-LIMIT]]`.
///
/// Linux: the kernel's word `cma=`.
public struct ContiguousAreaArgument: Equatable, Sendable {
  public let size: ByteCount
  /// Where it begins, or nil for a place of the kernel's choice.
  public let base: UInt64?
  /// Below this the whole area lies; nil: at its base, or anywhere.
  public let limit: UInt64?

  /// Linux: `CMA_MIN_ALIGNMENT_BYTES`, a page block.
  static var alignment: UInt64 { 4 << 20 }

  /// An area of a sixteenth of a machine's memory, wherever there is room.
  public static func share(of memory: ByteCount) -> Self {
    let blockCount = max(memory.value / 16 / alignment, 1)
    return Self(size: ByteCount(blockCount * alignment))
  }

  private init(size: ByteCount) {
    self.size = size
    base = nil
    limit = nil
  }

  /// Reads the words, or gives nil for anything else.
  public init?(argument: String) {
    let parts = argument.split(separator: "@", maxSplits: 1, omittingEmptySubsequences: false)
    guard let size = SizeArgument(argument: String(parts[0])) else { return nil }
    self.size = size.bytes
    guard parts.count == 2 else {
      base = nil
      limit = nil
      return
    }
    let places = parts[1].split(separator: "-", omittingEmptySubsequences: false).map(Self.address)
    guard places.count <= 2, let base = places[0] else { return nil }
    self.base = base
    guard places.count == 2 else {
      limit = nil
      return
    }
    guard let limit = places[1] else { return nil }
    self.limit = limit
  }

  /// Decimal with a unit, or hexadecimal: `16M`, `0x1000000`, `0`.
  private static func address(_ text: Substring) -> UInt64? {
    if text == "0" { return 0 }
    if text.hasPrefix("0x") {
      let digits = text.dropFirst(2)
      return digits.first?.isHexDigit == true ? UInt64(digits, radix: 16) : nil
    }
    return SizeArgument(argument: String(text))?.bytes.value
  }

  /// Refuses an area that no machine of this size can have.
  ///
  /// - Throws: `usage`, saying why.
  func check(in memory: ByteCount) throws(ToolFailure) {
    let (end, overflows) = (base ?? 0).addingReportingOverflow(size.value)
    if overflows || end > memory.value || (limit ?? 0) > memory.value {
      throw ToolFailure(
        .usage, "--cma \(self) reaches beyond \(memory.readable) of memory", "give less")
    }
    if let base, base % Self.alignment != 0 {
      throw ToolFailure(
        .usage, "--cma \(self) begins at no multiple of 4M", "give a base such as 16M")
    }
    if let limit, end > limit {
      throw ToolFailure(
        .usage, "--cma \(self) does not fit between base and limit", "give a higher limit")
    }
  }
}

extension ContiguousAreaArgument: CustomStringConvertible {
  /// The words as a user would write them.
  public var description: String {
    var text = "\(SizeArgument(size))"
    if let base { text += "@0x" + String(base, radix: 16) }
    if let limit { text += "-0x" + String(limit, radix: 16) }
    return text
  }
}
