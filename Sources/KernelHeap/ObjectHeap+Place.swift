// SPDX-License-Identifier: Apache-2.0

import Machine

/// The name of a file of the sources, made by `#fileID`.
@safe
public struct SourceFile: ExpressibleByStringLiteral, BitwiseCopyable, @unchecked Sendable {
  /// Ends with a zero byte.
  private let start: UnsafePointer<UInt8>

  public init(stringLiteral value: StaticString) {
    // SAFETY: only kept; literals live as long as the program.
    unsafe start = value.utf8Start
  }

  /// A byte of the name, nil at its end.
  public func byte(_ place: Int) -> UInt8? {
    // SAFETY: callers go from the first byte to the end mark.
    let byte = unsafe start[place]
    return byte == 0 ? nil : byte
  }
}

/// A line of the sources. Linux: `_RET_IP_`.
public struct CallPlace: BitwiseCopyable, Sendable {
  public let file: SourceFile
  public let line: UInt32

  public init(_ file: SourceFile, _ line: UInt32) {
    self.file = file
    self.line = line
  }
}

extension StaticString {
  /// Whether its first bytes are those of a block.
  func begins(with block: MemoryBlock, count: Int) -> Bool {
    for place in 0..<count {
      // SAFETY: the caller saw that the name is as long as that.
      if unsafe utf8Start[place] != block.load(UInt8.self, at: place) { return false }
    }
    return true
  }
}
