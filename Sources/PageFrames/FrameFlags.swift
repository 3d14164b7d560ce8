// SPDX-License-Identifier: Apache-2.0

import MemoryUnits

/// What is true of a frame right now, one bit each; its zone is kept in bits 14 and 15.
///
/// Linux: `enum pageflags`.
public struct FrameFlags: FlagSet, Hashable, Sendable, BitwiseCopyable {
  public let rawValue: UInt16

  public init(rawValue: UInt16) { self.rawValue = rawValue }

  /// Somebody reads it in or writes it out; others wait. Linux: `PG_locked`.
  public static var locked: Self { Self(rawValue: 1 << 0) }
  /// Its bytes differ from those on disk. Linux: `PG_dirty`.
  public static var dirty: Self { Self(rawValue: 1 << 1) }
  /// On its way to the disk. Linux: `PG_writeback`.
  public static var writeback: Self { Self(rawValue: 1 << 2) }
  /// Used since reclaim looked last. Linux: `PG_referenced`.
  public static var referenced: Self { Self(rawValue: 1 << 3) }
  /// On an active list. Linux: `PG_active`.
  public static var active: Self { Self(rawValue: 1 << 4) }
  /// On no list that reclaim looks at. Linux: `PG_unevictable`.
  public static var unevictable: Self { Self(rawValue: 1 << 5) }
  /// In an area that a program locked. Linux: `PG_mlocked`.
  public static var memoryLocked: Self { Self(rawValue: 1 << 6) }
  /// Anonymous, and of one process alone. Linux: `PG_anon_exclusive`.
  public static var exclusive: Self { Self(rawValue: 1 << 7) }
  /// Was of the working set when it was evicted last. Linux: `PG_workingset`.
  public static var workingSet: Self { Self(rawValue: 1 << 8) }
  /// Its RAM is broken. Linux: `PG_hwpoison`.
  public static var poison: Self { Self(rawValue: 1 << 9) }
  /// Holds what it is to hold. Linux: `PG_uptodate`.
  public static var upToDate: Self { Self(rawValue: 1 << 10) }
  /// Its links are in use. Linux: `PG_lru`.
  public static var onList: Self { Self(rawValue: 1 << 11) }

  /// Free, and it heads a block in a CPU's list: bit 12.
  static var cached: Self { Self(rawValue: 1 << 12) }
  /// Free, and it heads a block in a buddy list: bit 13. Linux: `PageBuddy()`.
  ///
  /// Changes under the lock of its zone alone, so whoever holds it may look at any neighbour.
  static var listed: Self { Self(rawValue: 1 << 13) }

  /// The bits that whoever uses a frame may write.
  static var userMask: UInt16 { 0x0FFF }
  /// The two bits of free frames; both where a frame is free but a guard, on no list.
  static var freeMask: UInt16 { 0x3000 }
  static var zoneMask: UInt16 { 0xC000 }
  static var zoneShift: UInt16 { 14 }
}
