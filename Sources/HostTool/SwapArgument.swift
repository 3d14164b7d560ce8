// SPDX-License-Identifier: Apache-2.0

import MemoryUnits

/// A swap disk as a user asks for it: `SIZE`, or `FILE[:PRIORITY]`.
///
/// What reads as a size is one; a file of that name is written with its folder: `./64M`.
public enum SwapArgument: Equatable, Sendable {
  case fresh(ByteCount)
  case image(String, priority: Int?)

  /// Linux: priorities of `swapon()` are 0 to 32767.
  public static var largestPriority: Int { 32767 }
  /// `mkswap` wants ten pages.
  static var smallest: ByteCount { ByteCount(40 << 10) }

  /// Reads the words, or gives nil for an empty name and a priority that Linux has not.
  public init?(argument: String) {
    if let size = SizeArgument(argument: argument) {
      self = .fresh(size.bytes)
      return
    }
    guard let colon = argument.utf8.lastIndex(of: UInt8(ascii: ":")) else {
      guard !argument.isEmpty else { return nil }
      self = .image(argument, priority: nil)
      return
    }
    let path = String(argument[..<colon])
    guard let number = decimalNumber(argument.utf8[argument.utf8.index(after: colon)...]),
      number <= UInt64(Self.largestPriority), !path.isEmpty
    else { return nil }
    self = .image(path, priority: Int(number))
  }

  /// Refuses a size or an image that can be no swap disk.
  ///
  /// - Throws: `usage`, saying which.
  func check() throws(ToolFailure) {
    switch self {
    case .fresh(let size):
      try Self.check(size, "--swap \(SizeArgument(size))")
    case .image(let path, _):
      let facts: FileFacts
      do throws(HostError) { facts = try FileFacts(path) } catch {
        throw ToolFailure(.usage, "--swap \(path): \(error.text)", "name a swap image or a size")
      }
      guard facts.kind == .regular else {
        throw ToolFailure(.usage, "--swap \(path) is no regular file", "name a swap image")
      }
      try Self.check(ByteCount(facts.size), "--swap \(path)")
      let signature = try? HostFile(reading: path).bytes(at: 4086, count: 10)
      guard signature == Array("SWAPSPACE2".utf8) else {
        throw ToolFailure(.usage, "--swap \(path) has no swap signature", "mkswap \(path)")
      }
    }
  }

  private static func check(_ size: ByteCount, _ what: String) throws(ToolFailure) {
    guard size.value & 4095 == 0, smallest <= size else {
      throw ToolFailure(
        .usage, "\(what) is not a whole number of pages, 40K at least", "give a size such as 64M")
    }
  }
}

extension SwapArgument: CustomStringConvertible {
  /// The words as a user would write them.
  public var description: String {
    switch self {
    case .fresh(let size): "\(SizeArgument(size))"
    case .image(let path, let priority): priority.map { "\(path):\($0)" } ?? path
    }
  }
}
