// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures

/// A table of words serves as a bitmap.
extension ResidentArray: BitmapWords where Element == UInt64 {
  public func word(at index: Int) -> UInt64 { self[index] }
  public func setWord(at index: Int, to word: UInt64) { self[index] = word }
}
