// SPDX-License-Identifier: Apache-2.0

/// Literal text in a block: the core has no other strings.
extension MemoryBlock {
  /// Writes a literal's UTF-8 bytes, without an end mark, and returns their number.
  @discardableResult
  public func store(text: StaticString, at offset: Int) -> Int {
    let count = text.utf8CodeUnitCount
    check(offset, count)
    // SAFETY: inside this block, as checked; a literal lives for ever.
    unsafe (base + offset).copyMemory(from: text.utf8Start, byteCount: count)
    return count
  }

  /// Whether the bytes at an offset are exactly a literal.
  public func holds(text: StaticString, at offset: Int, byteCount count: Int) -> Bool {
    guard count == text.utf8CodeUnitCount else { return false }
    check(offset, count)
    for index in 0..<count {
      // SAFETY: both inside, as checked.
      let same = unsafe text.utf8Start[index] == load(UInt8.self, at: offset + index)
      if !same { return false }
    }
    return true
  }

  /// Whether two runs of bytes are the same.
  public func holds(
    bytesOf other: MemoryBlock, at otherOffset: Int, at offset: Int, byteCount count: Int
  ) -> Bool {
    check(offset, count)
    other.check(otherOffset, count)
    for index in 0..<count
    where load(UInt8.self, at: offset + index) != other.load(UInt8.self, at: otherOffset + index) {
      return false
    }
    return true
  }
}
