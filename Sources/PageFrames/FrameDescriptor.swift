// SPDX-License-Identifier: Apache-2.0

import MemoryEvents
import MemoryUnits

/// What is known of one frame: 32 bytes on every architecture, read by tools from outside.
///
///      0      4          8       12           16         20        24      29      30
///      │ next │ previous │ owner │ references │ mappings │ private │ index │ kind, │ flags
///
/// Only the first frame of a block has a descriptor that speaks. Those of the others say `free`,
/// order 0, on no list; so a walk goes from head to head by `order`, and `FrameTable.head(of:)`
/// finds the head of any frame. Who uses the frame may write links, flags and the private word;
/// the rest changes by `PageFrames` verbs alone, which log it.
///
/// Linux: `struct page`, `struct folio`.
public struct FrameDescriptor: Sendable, BitwiseCopyable, Equatable {
  /// Frame number of the next in whatever list the frame is on, 0 for none.
  public var next: UInt32
  /// Frame number of the one before it, 0 for none; of a locked frame, `lockCount`.
  public var previous: UInt32
  /// Reference of the region, file, slab or table that the frame belongs to, 0 for none.
  public internal(set) var owner: UInt32
  /// The holders of the block; it is freed when the last lets go. Linux: `page_count()`.
  public internal(set) var references: UInt32
  /// The entries of programs' page tables that map it. Linux: `page_mapcount()`.
  public internal(set) var mappings: UInt32
  /// Meant by the kind's owner: swap entry, slab's free list, a dirty page's block.
  public var privateWord: UInt32
  var indexLow: UInt32
  var indexHigh: UInt8
  /// Kind in the low 4 bits, order in the high ones.
  var kindAndOrder: UInt8
  /// Flags in the low 14 bits, zone in the high ones.
  var flagsAndZone: UInt16

  init(_ kind: FrameKind, order: Order = .zero, zone: ZoneKind, flags: FrameFlags = FrameFlags()) {
    self.init(kind, order: order, zoneOf: Self.pack(FrameFlags(), zone), flags: flags)
  }

  /// - Parameter word: flags and zone of a frame of the same zone.
  @inline(__always)  // Of the fast path of a free.
  init(_ kind: FrameKind, order: Order, zoneOf word: UInt16, flags: FrameFlags) {
    next = 0
    previous = 0
    owner = 0
    references = 0
    mappings = 0
    privateWord = 0
    indexLow = 0
    indexHigh = 0
    kindAndOrder = Self.pack(kind, order)
    flagsAndZone = word & FrameFlags.zoneMask | flags.rawValue
  }

  public static var byteCount: Int { 32 }

  public internal(set) var kind: FrameKind {
    get { FrameKind(rawValue: kindAndOrder & 0xF) ?? .reserved }
    set { kindAndOrder = kindAndOrder & 0xF0 | newValue.rawValue }
  }

  /// The order of the block that the frame heads.
  public internal(set) var order: Order {
    get { Order(kindAndOrder >> 4) }
    set { kindAndOrder = kindAndOrder & 0xF | newValue.value << 4 }
  }

  public var flags: FrameFlags {
    get { FrameFlags(rawValue: flagsAndZone & FrameFlags.userMask) }
    set {
      flagsAndZone =
        flagsAndZone & ~FrameFlags.userMask | newValue.rawValue & FrameFlags.userMask
    }
  }

  public var zone: ZoneKind { ZoneKind(bits: flagsAndZone >> FrameFlags.zoneShift) }
  /// … as a place in a table, for the fast path.
  var zoneIndex: Int { Int(flagsAndZone &>> FrameFlags.zoneShift) }

  /// The page's place in its region or file, in pages; 40 bits.
  public internal(set) var index: UInt64 {
    get { UInt64(indexLow) | UInt64(indexHigh) << 32 }
    set {
      precondition(newValue < 1 << 40, "page index beyond 40 bits")
      indexLow = UInt32(truncatingIfNeeded: newValue)
      indexHigh = UInt8(truncatingIfNeeded: newValue >> 32)
    }
  }

  /// Whether the descriptor speaks for a block, rather than being the inside of one.
  var isHead: Bool {
    kindAndOrder & 0xF != FrameKind.free.rawValue || flagsAndZone & FrameFlags.freeMask != 0
  }

  /// Whether it heads a free block in a buddy list.
  var isListed: Bool { flagsAndZone & FrameFlags.freeMask == FrameFlags.listed.rawValue }

  /// Whether it heads a free block in a CPU's list.
  var isCached: Bool { flagsAndZone & FrameFlags.freeMask == FrameFlags.cached.rawValue }

  /// The same of a frame that is no guard: one bit to look at.
  var isInStack: Bool { flagsAndZone & FrameFlags.cached.rawValue != 0 }

  /// Whether it heads frames that guard the block before them. Linux: `page_is_guard()`.
  var isGuard: Bool { flagsAndZone & FrameFlags.freeMask == FrameFlags.freeMask }

  /// Whether it heads a block of this order and zone in a buddy list.
  func isFreeBlock(_ order: Order, _ zone: ZoneKind) -> Bool {
    kindAndOrder == Self.pack(.free, order) && flagsAndZone == Self.pack(.listed, zone)
  }

  /// Makes it the inside of a block, or a block on no list.
  @inline(__always)  // In the loops over what is drained.
  mutating func hide() {
    kindAndOrder = Self.pack(.free, .zero)
    flagsAndZone &= FrameFlags.zoneMask
  }

  static func pack(_ kind: FrameKind, _ order: Order) -> UInt8 { kind.rawValue | order.value << 4 }

  static func pack(_ flags: FrameFlags, _ zone: ZoneKind) -> UInt16 {
    flags.rawValue | UInt16(zone.rawValue) << FrameFlags.zoneShift
  }
}
