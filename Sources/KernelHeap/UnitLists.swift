// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures
import MemoryUnits

/// The pages that have free units, where memory is cut as requests come (`HeapDesign.slob`).
///
/// A unit is two bytes. A free block says in its first unit how long it is and in its second
/// where the next begins; one of a single unit says the latter alone, negated:
///
///     │ length │ next │ … │        │ −next │
///
/// Blocks are in the order of their addresses, and two that touch are one.
///
/// Linux 6.1: `free_slob_small`, `free_slob_medium`, `free_slob_large`, `slob_lock`.
struct UnitLists {
  /// For requests below 256 bytes, below 1024, and the rest.
  var small = LinkedList<PageFrameNumber>()
  var medium = LinkedList<PageFrameNumber>()
  var large = LinkedList<PageFrameNumber>()
  /// The pages of all, full ones too.
  var pageCount = PageCount.zero

  subscript(kind: UnitListKind) -> LinkedList<PageFrameNumber> {
    get {
      switch kind {
      case .small: small
      case .medium: medium
      case .large: large
      }
    }
    set {
      switch kind {
      case .small: small = newValue
      case .medium: medium = newValue
      case .large: large = newValue
      }
    }
  }

  static var unitByteCount: Int { 2 }
  static var unitsPerPage: Int { 2048 }

  /// What the bytes of a request need.
  static func unitCount(_ byteCount: Int) -> Int { (byteCount + 1) >> 1 }
}

/// The list that a request belongs to.
enum UnitListKind: UInt32 {
  case small, medium, large

  init(byteCount: Int) {
    self = byteCount < 256 ? .small : byteCount < 1024 ? .medium : .large
  }
}

/// What the descriptor of a page of units says of it, in its private word.
///
/// Linux 6.1: `slab->units`, `slab->freelist` of SLOB.
struct UnitWord: BitwiseCopyable {
  /// Free units: 12 bits.
  var freeCount: Int
  /// The first free unit: 12 bits; nothing where none is free.
  var first: Int
  /// The list that the page is on, where a unit is free: 2 bits.
  var list: UnitListKind

  init(freeCount: Int, first: Int, list: UnitListKind) {
    self.freeCount = freeCount
    self.first = first
    self.list = list
  }

  init(raw: UInt32) {
    freeCount = Int(raw & 0xFFF)
    first = Int(raw >> 12 & 0xFFF)
    list = UnitListKind(rawValue: raw >> 24 & 3) ?? .large
  }

  /// The two highest bits are those of no slab's word.
  var raw: UInt32 {
    UInt32(truncatingIfNeeded: freeCount | first << 12) | list.rawValue << 24 | 3 << 30
  }
}
