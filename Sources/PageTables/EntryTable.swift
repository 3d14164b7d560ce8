// SPDX-License-Identifier: Apache-2.0

import Machine
import PageTableFormats

/// One page table's entries, as the CPU sees them.
struct EntryTable<Format: PageTableFormat>: BitwiseCopyable {
  let words: FrameWords

  /// An entry of 8 bytes, or one of 4 in the low half.
  @inline(__always)
  subscript(index: Int) -> UInt64 {
    get {
      if Format.entryByteCount == 4 { return UInt64(words[narrow: index]) }
      return words[wide: index]
    }
    nonmutating set {
      if Format.entryByteCount == 4 {
        words[narrow: index] = UInt32(truncatingIfNeeded: newValue)
      } else {
        words[wide: index] = newValue
      }
    }
  }

  /// The first entry that holds anything, from one place through another.
  func firstOccupied(from first: Int, through last: Int) -> Int? {
    if Format.entryByteCount == 4 {
      return words.firstOccupied(narrowFrom: first, through: last)
    }
    return words.firstOccupied(wideFrom: first, through: last)
  }

  /// Moves entries to empty places of another table, by the block.
  ///
  /// - Precondition: nothing is where they go to; both runs are inside their tables.
  func move(from first: Int, count: Int, to other: Self, at target: Int) {
    let size = Format.entryByteCount
    words.move(from: first * size, byteCount: count * size, to: other.words, at: target * size)
  }

  /// How many entries hold anything, from one place on.
  func occupiedCount(from first: Int, count: Int) -> Int {
    Format.entryByteCount == 4
      ? words.occupiedCount(narrowFrom: first, count: count)
      : words.occupiedCount(wideFrom: first, count: count)
  }
}
