// SPDX-License-Identifier: Apache-2.0

import Machine
import PageTableFormats

/// One page table's entries, as the CPU sees them.
struct EntryTable<Format: PageTableFormat>: BitwiseCopyable {
  let block: MemoryBlock

  /// An entry of 8 bytes, or one of 4 in the low half.
  subscript(index: Int) -> UInt64 {
    get {
      if Format.entryByteCount == 4 { return UInt64(block.load(UInt32.self, at: index &* 4)) }
      return block.load(UInt64.self, at: index &* 8)
    }
    nonmutating set {
      if Format.entryByteCount == 4 {
        block.store(UInt32(truncatingIfNeeded: newValue), at: index &* 4)
      } else {
        block.store(newValue, at: index &* 8)
      }
    }
  }
}
