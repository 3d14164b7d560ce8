// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryEvents

/// The strings that the machine was started with, read from the channel.
struct BootArguments: BitwiseCopyable {
  private let block: MemoryBlock

  init(_ block: MemoryBlock) { self.block = block }

  /// The string of a tag, by its place among those of the same tag.
  ///
  /// - Complexity: O(bytes).
  func string(_ tag: ArgumentTag, _ index: Int = 0) -> MemoryBlock? {
    var found: MemoryBlock?
    var place = 0
    visit { candidate, bytes in
      guard candidate == tag.rawValue else { return }
      if place == index { found = bytes }
      place += 1
    }
    return found
  }

  func count(of tag: ArgumentTag) -> Int {
    var count = 0
    visit { candidate, _ in if candidate == tag.rawValue { count += 1 } }
    return count
  }

  /// The decimal number that a string spells, nil if it is none.
  func number(_ tag: ArgumentTag) -> UInt32? {
    guard let bytes = string(tag), bytes.byteCount > 0, bytes.byteCount <= 9 else { return nil }
    var value: UInt32 = 0
    for offset in 0..<bytes.byteCount {
      let digit = bytes.load(UInt8.self, at: offset)
      guard digit >= 0x30, digit <= 0x39 else { return nil }
      value = value * 10 + UInt32(digit - 0x30)
    }
    return value
  }

  /// Visits all strings up to the end mark, or the block's end.
  private func visit(_ body: (UInt8, MemoryBlock) -> Void) {
    var place = 0
    while place < block.byteCount {
      let tag = block.load(UInt8.self, at: place)
      guard tag != ArgumentTag.end.rawValue else { return }
      let start = place + 1
      var end = start
      while end < block.byteCount, block.load(UInt8.self, at: end) != 0 { end += 1 }
      body(tag, block.part(from: start, byteCount: end - start))
      place = end + 1
    }
  }
}
