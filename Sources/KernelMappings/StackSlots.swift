// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryUnits

/// Which places of the stacks' area are taken: one bit each in a page of their own.
///
/// The lowest free place is always the next, so the same history gives the same places.
struct StackSlots: BitwiseCopyable {
  /// Word 0 counts what is taken; from `firstWord` on, a set bit is a place that is taken.
  private let words: ResidentArray<UInt64>
  private let limit: Int

  private static var firstWord: Int { 1 }

  /// - Parameter block: a page.
  /// - Precondition: the limit leaves room for the count.
  init(limit: Int, in block: MemoryBlock) {
    self.limit = limit
    let count = block.byteCount / 8
    precondition(limit <= (count - Self.firstWord) * 64, "more stacks than a page has bits for")
    words = ResidentArray(repeating: 0, count: count, in: block)
  }

  var usedCount: Int { Int(words[0]) }

  /// Takes the lowest free place.
  func take() -> Int? {
    guard usedCount < limit else { return nil }
    var word = Self.firstWord
    while words[word] == .max { word += 1 }
    let bit = (~words[word]).trailingZeroBitCount
    words[word] |= 1 &<< UInt64(bit)
    words[0] += 1
    return (word - Self.firstWord) * 64 + bit
  }

  /// - Precondition: the place is taken.
  func giveBack(_ slot: Int) {
    let (word, bit) = (Self.firstWord + slot / 64, UInt64(slot % 64))
    precondition(words[word] & 1 &<< bit != 0, "a stack is freed twice")
    words[word] &= ~(1 &<< bit)
    words[0] -= 1
  }
}
