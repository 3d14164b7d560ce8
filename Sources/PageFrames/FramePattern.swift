// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryUnits

/// What fills frames that nobody may write to, so that it is seen if somebody does.
enum FramePattern: UInt8 {
  /// Free. Linux: `PAGE_POISON`.
  case free = 0xAA
  /// Between a block and its next neighbour.
  case guarding = 0xDB

  /// All eight bytes of a word.
  var word: UInt64 { UInt64(rawValue) * 0x0101_0101_0101_0101 }

  func fill(_ bytes: MemoryBlock) {
    for offset in stride(from: 0, to: bytes.byteCount, by: 8) { bytes.store(word, at: offset) }
  }

  /// The first byte that is another, with the eight bytes that it is in.
  ///
  /// Linux: `memchr_inv()` in `check_poison_mem()`.
  func firstDifference(in bytes: MemoryBlock) -> (offset: Int, word: UInt64)? {
    for offset in stride(from: 0, to: bytes.byteCount, by: 8) {
      let found = bytes.load(UInt64.self, at: offset)
      if found != word { return (offset + (found ^ word).trailingZeroBitCount / 8, found) }
    }
    return nil
  }
}
