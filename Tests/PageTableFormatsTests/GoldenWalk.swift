// SPDX-License-Identifier: Apache-2.0

import MemoryUnits
import PageTableFormats

/// A page table written by hand: entries by the physical address that the manual puts them at.
struct GoldenWalk {
  let root: UInt64
  let entries: [UInt64: UInt64]

  /// What a CPU of the format finds: the physical address and the leaf, or nil.
  func translate<Format: PageTableFormat>(
    _ address: UInt64, as format: Format.Type
  ) -> (physical: UInt64, leaf: DecodedEntry.Leaf, level: Int)? {
    var table = root
    for level in (0..<Format.levelCount).reversed() {
      let index = Format.index(of: VirtualAddress(address), level: level)
      let entry = entries[table + UInt64(index * Format.entryByteCount)] ?? 0
      switch Format.decode(entry, level: level) {
      case .empty, .software: return nil
      case .table(let frame): table = frame.address.value
      case .leaf(let leaf):
        let offset = address & (Format.pageSize(level: level).bytes - 1)
        return (leaf.frame.address.value + offset, leaf, level)
      }
    }
    return nil
  }
}

/// One entry as the manual has it.
struct GoldenEntry: Sendable {
  let bits: UInt64
  let level: Int
  let frame: UInt32
  let protection: Protection
}

/// Every combination of rights and attributes.
let allProtections: [Protection] = (0..<128).map { Protection(rawValue: UInt8($0)) }
