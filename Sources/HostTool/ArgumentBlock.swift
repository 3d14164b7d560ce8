// SPDX-License-Identifier: Apache-2.0

import MemoryEvents

/// The channel's argument block in the making.
struct ArgumentBlock {
  private(set) var bytes: [UInt8] = []

  mutating func add(_ tag: ArgumentTag, _ text: String) {
    bytes.append(tag.rawValue)
    bytes += text.utf8
    bytes.append(0)
  }

  /// The block with its end.
  ///
  /// - Throws: `notExecutable` where Linux says E2BIG.
  func finished() throws(ToolFailure) -> [UInt8] {
    guard bytes.count < ChannelLayout.argumentsBytes else {
      throw ToolFailure(
        .notExecutable, "arguments and environment are longer than 124 KiB", "pass less")
    }
    return bytes + [ArgumentTag.end.rawValue]
  }
}
