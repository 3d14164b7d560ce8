// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures
import Testing

private final class ArrayWords: BitmapWords {
  var words: [UInt64]

  init(count: Int) { words = Array(repeating: 0, count: count) }

  func word(at index: Int) -> UInt64 { words[index] }
  func setWord(at index: Int, to word: UInt64) { words[index] = word }
}

struct BitmapTests {
  @Test(arguments: [1, 63, 64, 65, 200])
  func `a bitmap does what a set does, at any length`(bitCount: Int) {
    var generator = SeededGenerator(seed: UInt64(bitCount))
    let bitmap = Bitmap(ArrayWords(count: (bitCount + 63) / 64), bitCount: bitCount)
    var model: Set<Int> = []
    for _ in 0..<600 {
      let start = Int.random(in: 0..<bitCount, using: &generator)
      let length = Int.random(in: 0...min(80, bitCount - start), using: &generator)
      let range = start..<start + length
      if Bool.random(using: &generator) {
        bitmap.insert(range)
        model.formUnion(range)
      } else {
        bitmap.remove(range)
        model.subtract(range)
      }
      #expect(bitmap.count == model.count)
      let probe = Int.random(in: 0..<bitCount, using: &generator)
      #expect(bitmap.contains(probe) == model.contains(probe))
      #expect(bitmap.firstMember(from: probe) == model.filter { $0 >= probe }.min())
      #expect(
        bitmap.firstGap(from: probe) == (probe..<bitCount).first { !model.contains($0) })
      for (run, alignment) in [(1, 1), (3, 1), (5, 4), (16, 16)] {
        let expected = (probe..<bitCount).first {
          $0 % alignment == 0 && $0 + run <= bitCount
            && model.isDisjoint(with: $0..<$0 + run)
        }
        #expect(bitmap.firstGap(of: run, from: probe, alignment: alignment) == expected)
      }
    }
  }

  @Test func `a bitmap that is a value does what a set does`() {
    var generator = SeededGenerator(seed: 5)
    var bitmap = InlineBitmap<3>()
    var model: Set<Int> = []
    for _ in 0..<600 {
      let bit = Int.random(in: 0..<192, using: &generator)
      if Bool.random(using: &generator) {
        bitmap.insert(bit)
        model.insert(bit)
      } else {
        bitmap.remove(bit)
        model.remove(bit)
      }
      #expect(bitmap.count == model.count)
      #expect(bitmap.firstMember(from: bit) == model.filter { $0 >= bit }.min())
      #expect(bitmap.firstGap(from: bit) == (bit..<192).first { !model.contains($0) })
    }
  }
}
