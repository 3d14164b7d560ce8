// SPDX-License-Identifier: Apache-2.0

import Machine

/// The first line of a script: `#!interpreter option`.
///
/// Linux: `fs/binfmt_script.c`.
struct ScriptLine: Equatable {
  private(set) var interpreterOffset = 0
  private(set) var interpreterLength = 0
  private(set) var optionOffset = 0
  private(set) var optionLength = 0

  /// Nil if the file is no script. An empty interpreter means a script that cannot run.
  ///
  /// - Parameters:
  ///   - block: the file's first bytes.
  ///   - byteCount: as many of them as there are, at most 256.
  init?(in block: MemoryBlock, byteCount: Int) {
    guard byteCount >= 2, block.load(UInt8.self, at: 0) == 0x23,
      block.load(UInt8.self, at: 1) == 0x21
    else { return nil }
    var end = 2
    while end < byteCount, Self.byte(block, end) != 0x0A, Self.byte(block, end) != 0 { end += 1 }
    let isWhole = end < byteCount || byteCount < 256
    while end > 2, Self.isBlank(block, end - 1) { end -= 1 }
    var place = 2
    while place < end, Self.isBlank(block, place) { place += 1 }
    interpreterOffset = place
    while place < end, !Self.isBlank(block, place) { place += 1 }
    // A cut option is passed on, a cut path is not.
    guard place < end || isWhole else { return }
    interpreterLength = place - interpreterOffset
    while place < end, Self.isBlank(block, place) { place += 1 }
    optionOffset = place
    optionLength = end - place
  }

  private static func byte(_ block: MemoryBlock, _ offset: Int) -> UInt8 {
    block.load(UInt8.self, at: offset)
  }

  private static func isBlank(_ block: MemoryBlock, _ offset: Int) -> Bool {
    byte(block, offset) == 0x20 || byte(block, offset) == 0x09
  }
}
