// SPDX-License-Identifier: Apache-2.0

/// The words of a bitmap in memory; a reference, so its setter does not mutate it.
public protocol BitmapWords {
  func word(at index: Int) -> UInt64
  func setWord(at index: Int, to word: UInt64)
}

/// A set of small numbers, one bit each, in memory that somebody else gave: a reference.
///
/// Linux: `DECLARE_BITMAP()`, `find_next_bit()`, `bitmap_find_next_zero_area()`.
public struct Bitmap<Words: BitmapWords> {
  public let words: Words
  /// The numbers from 0 on that it can hold.
  public let bitCount: Int

  /// - Precondition: there are words for so many bits; those behind the last are 0.
  public init(_ words: Words, bitCount: Int) {
    self.words = words
    self.bitCount = bitCount
  }

  /// Whether a number is a member. Linux: `test_bit()`.
  public func contains(_ bit: Int) -> Bool {
    precondition(bit >= 0 && bit < bitCount, "beyond the bitmap")
    return words.word(at: bit >> 6) >> UInt64(bit & 63) & 1 != 0
  }

  /// Makes a number a member. Linux: `set_bit()`.
  public func insert(_ bit: Int) { insert(bit..<bit + 1) }

  /// Makes a number no member. Linux: `clear_bit()`.
  public func remove(_ bit: Int) { remove(bit..<bit + 1) }

  /// Linux: `bitmap_set()`.
  public func insert(_ bits: Range<Int>) {
    precondition(bits.lowerBound >= 0 && bits.upperBound <= bitCount, "beyond the bitmap")
    BitSearch.forEachWord(bits) { index, mask in
      words.setWord(at: index, to: words.word(at: index) | mask)
    }
  }

  /// Linux: `bitmap_clear()`.
  public func remove(_ bits: Range<Int>) {
    precondition(bits.lowerBound >= 0 && bits.upperBound <= bitCount, "beyond the bitmap")
    BitSearch.forEachWord(bits) { index, mask in
      words.setWord(at: index, to: words.word(at: index) & ~mask)
    }
  }

  /// The number of members. Linux: `bitmap_weight()`.
  public var count: Int { BitSearch.count(bitCount) { words.word(at: $0) } }

  /// The first member from a number on. Linux: `find_next_bit()`.
  public func firstMember(from start: Int = 0) -> Int? {
    BitSearch.first(from: start, bitCount) { words.word(at: $0) }
  }

  /// The first number from one on that is no member. Linux: `find_next_zero_bit()`.
  public func firstGap(from start: Int = 0) -> Int? {
    BitSearch.first(from: start, bitCount) { ~words.word(at: $0) }
  }

  /// The first run of so many numbers that are no members, from one on and at a multiple of the
  /// alignment. Linux: `bitmap_find_next_zero_area()`.
  ///
  /// - Precondition: `alignment` is a power of two.
  public func firstGap(of length: Int, from start: Int = 0, alignment: Int = 1) -> Int? {
    BitSearch.firstRun(of: length, from: start, alignment, bitCount) { words.word(at: $0) }
  }
}

/// A set of the numbers below 64 times the word count, as a value.
public struct InlineBitmap<let wordCount: Int>: BitwiseCopyable, Sendable {
  private var words = InlineArray<wordCount, UInt64>(repeating: 0)

  public init() {}

  public static var bitCount: Int { wordCount * 64 }

  /// Whether a number is a member.
  public func contains(_ bit: Int) -> Bool { words[bit >> 6] >> UInt64(bit & 63) & 1 != 0 }

  /// Makes a number a member.
  public mutating func insert(_ bit: Int) { words[bit >> 6] |= 1 << UInt64(bit & 63) }

  /// Makes a number no member.
  public mutating func remove(_ bit: Int) { words[bit >> 6] &= ~(1 << UInt64(bit & 63)) }

  /// The number of members.
  public var count: Int { BitSearch.count(Self.bitCount) { words[$0] } }

  /// The first member from a number on.
  public func firstMember(from start: Int = 0) -> Int? {
    BitSearch.first(from: start, Self.bitCount) { words[$0] }
  }

  /// The first number from one on that is no member.
  public func firstGap(from start: Int = 0) -> Int? {
    BitSearch.first(from: start, Self.bitCount) { ~words[$0] }
  }
}

/// Searches over words, wherever they are.
enum BitSearch {
  /// The first bit that is set, from one on.
  static func first(from start: Int, _ bitCount: Int, _ word: (Int) -> UInt64) -> Int? {
    precondition(start >= 0, "beyond the bitmap")
    if start >= bitCount { return nil }
    var index = start >> 6
    var bits = word(index) & (~0 << UInt64(start & 63))
    while bits == 0 {
      index += 1
      if index << 6 >= bitCount { return nil }
      bits = word(index)
    }
    let found = index << 6 + bits.trailingZeroBitCount
    return found < bitCount ? found : nil
  }

  static func firstRun(
    of length: Int, from start: Int, _ alignment: Int, _ bitCount: Int, _ word: (Int) -> UInt64
  ) -> Int? {
    precondition(length > 0 && alignment & (alignment - 1) == 0, "no run, or no power of two")
    var from = start
    while true {
      guard let gap = first(from: from, bitCount, { ~word($0) }) else { return nil }
      let aligned = (gap + alignment - 1) & ~(alignment - 1)
      if aligned + length > bitCount { return nil }
      guard let member = first(from: aligned, aligned + length, word) else { return aligned }
      from = member + 1
    }
  }

  static func count(_ bitCount: Int, _ word: (Int) -> UInt64) -> Int {
    var total = 0
    for index in 0..<(bitCount + 63) >> 6 { total += word(index).nonzeroBitCount }
    return total
  }

  /// Calls the body with each word's index and the bits of the range in it.
  static func forEachWord(_ bits: Range<Int>, _ body: (Int, UInt64) -> Void) {
    var start = bits.lowerBound
    while start < bits.upperBound {
      let end = min((start >> 6 + 1) << 6, bits.upperBound)
      let mask: UInt64 = (~0 >> UInt64(64 - (end - start))) << UInt64(start & 63)
      body(start >> 6, mask)
      start = end
    }
  }
}
