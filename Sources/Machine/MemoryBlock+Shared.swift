// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Words that somebody outside changes at any time: a host, a device.
extension MemoryBlock {
  /// Reads a word afresh; what its writer wrote before it is seen too.
  ///
  /// - Precondition: the offset is a multiple of 8.
  public func loadShared(at offset: Int) -> UInt64 {
    check(offset, 8)
    precondition(offset & 7 == 0, "a shared word is aligned")
    // SAFETY: inside and aligned; the word has the layout of an atomic.
    return unsafe (base + offset).assumingMemoryBound(to: Atomic<UInt64>.self)
      .pointee.load(ordering: .acquiring)
  }

  /// Writes a word after all that was written before it.
  ///
  /// - Precondition: the offset is a multiple of 8.
  public func storeShared(_ value: UInt64, at offset: Int) {
    check(offset, 8)
    precondition(offset & 7 == 0, "a shared word is aligned")
    // SAFETY: as in `loadShared`.
    unsafe (base + offset).assumingMemoryBound(to: Atomic<UInt64>.self)
      .pointee.store(value, ordering: .releasing)
  }
}
