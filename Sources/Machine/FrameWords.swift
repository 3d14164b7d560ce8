// SPDX-License-Identifier: Apache-2.0

import MemoryUnits

/// The bytes of one frame as a table of words, whose indices wrap around at the frame's end.
///
/// So no access needs a check: it is the fast path of page tables.
@safe
public struct FrameWords: BitwiseCopyable, @unchecked Sendable {
  private let base: UnsafeMutableRawPointer

  /// - Parameter base: where a whole frame's bytes are.
  init(unsafeBase base: UnsafeMutableRawPointer) {
    // SAFETY: only kept; the caller answers for it, by the label.
    unsafe self.base = base
  }

  /// The words of 8 bytes; the index counts modulo 512.
  @inline(__always)
  public subscript(wide index: Int) -> UInt64 {
    get {
      // SAFETY: inside the frame, since the index is cut; frames are aligned.
      unsafe base.load(fromByteOffset: (index & 511) &<< 3, as: UInt64.self)
    }
    nonmutating set {
      // SAFETY: as above.
      unsafe base.storeBytes(of: newValue, toByteOffset: (index & 511) &<< 3, as: UInt64.self)
    }
  }

  /// The words of 4 bytes; the index counts modulo 1024.
  @inline(__always)
  public subscript(narrow index: Int) -> UInt32 {
    get {
      // SAFETY: as above.
      unsafe base.load(fromByteOffset: (index & 1023) &<< 2, as: UInt32.self)
    }
    nonmutating set {
      // SAFETY: as above.
      unsafe base.storeBytes(of: newValue, toByteOffset: (index & 1023) &<< 2, as: UInt32.self)
    }
  }

  /// The first word of 8 bytes that is not zero, from one index through another.
  ///
  /// - Precondition: both indices are below 512.
  /// - Complexity: O(words passed), eight at a time.
  public func firstOccupied(wideFrom first: Int, through last: Int) -> Int? {
    precondition(first >= 0 && last < 512, "beyond the frame")
    var place = first
    while place &+ 7 <= last {
      // SAFETY: eight words inside the frame, since the last of them is, as just checked.
      let words = unsafe (base + place &<< 3).assumingMemoryBound(to: UInt64.self)
      // SAFETY: as above.
      let low = unsafe words[0] | words[1] | words[2] | words[3]
      // SAFETY: as above.
      let high = unsafe words[4] | words[5] | words[6] | words[7]
      if low | high != 0 { break }
      place &+= 8
    }
    while place <= last {
      if self[wide: place] != 0 { return place }
      place &+= 1
    }
    return nil
  }

  /// The first word of 4 bytes that is not zero, from one index through another.
  ///
  /// - Precondition: both indices are below 1024.
  public func firstOccupied(narrowFrom first: Int, through last: Int) -> Int? {
    var place = first
    while place <= last {
      if self[narrow: place] != 0 { return place }
      place &+= 1
    }
    return nil
  }

  /// The words of 8 bytes that are not zero, from one index on.
  ///
  /// - Complexity: O(count), four at a time.
  public func occupiedCount(wideFrom first: Int, count: Int) -> Int {
    var (occupied, place) = (0, first)
    let end = first &+ count
    while place &+ 4 <= end {
      occupied &+= self[wide: place] != 0 ? 1 : 0
      occupied &+= self[wide: place &+ 1] != 0 ? 1 : 0
      occupied &+= self[wide: place &+ 2] != 0 ? 1 : 0
      occupied &+= self[wide: place &+ 3] != 0 ? 1 : 0
      place &+= 4
    }
    while place < end {
      occupied &+= self[wide: place] != 0 ? 1 : 0
      place &+= 1
    }
    return occupied
  }

  /// The words of 4 bytes that are not zero, from one index on.
  public func occupiedCount(narrowFrom first: Int, count: Int) -> Int {
    var occupied = 0
    for place in first..<first + count where self[narrow: place] != 0 { occupied &+= 1 }
    return occupied
  }

  /// Moves bytes to another frame; zeros take their place.
  ///
  /// - Precondition: both runs are inside their frames.
  public func move(from offset: Int, byteCount: Int, to other: FrameWords, at target: Int) {
    let size = Int(PageSize.base.bytes)
    precondition(
      byteCount >= 0 && offset >= 0 && target >= 0 && offset <= size - byteCount
        && target <= size - byteCount, "beyond the frame")
    // SAFETY: both runs are inside their frames, as just checked.
    unsafe (other.base + target).copyMemory(from: base + offset, byteCount: byteCount)
    // SAFETY: as above.
    unsafe (base + offset).initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
  }
}
