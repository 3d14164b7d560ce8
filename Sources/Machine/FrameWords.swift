// SPDX-License-Identifier: Apache-2.0

import MemoryUnits

/// The bytes of one frame as a table of words, whose indices wrap around at the frame's end.
///
/// So no access needs a check: it is the fast path of page tables.
@safe
public struct FrameWords: BitwiseCopyable, @unchecked Sendable {
  private let base: UnsafeMutableRawPointer

  /// - Parameter block: a frame's bytes, from its first one on.
  public init(_ block: MemoryBlock) {
    block.check(0, Int(PageSize.base.bytes))
    // SAFETY: only kept; a whole frame is behind it, as checked.
    unsafe base = block.base
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
}
