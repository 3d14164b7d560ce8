// SPDX-License-Identifier: Apache-2.0

import MemoryUnits

/// What a page table of one architecture looks like: pure values, no memory.
///
/// Level 0 holds the entries that map base pages; the root is level `levelCount - 1`. An entry
/// is a `UInt64` on every architecture; formats with 4-byte entries use its low half.
public protocol PageTableFormat: Sendable {
  /// 4 on x86-64, 3 on PAE and Sv39, 2 on i386.
  static var levelCount: Int { get }
  /// 8 or 4.
  static var entryByteCount: Int { get }
  /// The first address that no user page may have. Linux: `TASK_SIZE_MAX`.
  static var userLimit: VirtualAddress { get }

  /// The place of an address's entry in its table of a level.
  static func index(of address: VirtualAddress, level: Int) -> Int
  /// The number of entries in a table of a level.
  static func entryCount(level: Int) -> Int
  /// What one entry of a level maps, where it is a leaf.
  static func pageSize(level: Int) -> PageSize

  /// An entry that maps a page of the level's size.
  static func leaf(_ frame: PageFrameNumber, _ protection: Protection, level: Int) -> UInt64
  /// An entry that leads to a table of the level below.
  static func table(_ frame: PageFrameNumber, level: Int) -> UInt64
  /// An entry that no CPU uses, holding what the kernel wants to find there again.
  static func software(_ entry: SoftwareEntry) -> UInt64
  /// What an entry says.
  static func decode(_ entry: UInt64, level: Int) -> DecodedEntry

  /// The entry with other rights, accessed and dirty bits as they were.
  static func protecting(_ entry: UInt64, _ protection: Protection, level: Int) -> UInt64
  /// The entry with the accessed bit cleared.
  static func clearingAccessed(_ entry: UInt64) -> UInt64
  /// The entry with the dirty bit cleared.
  static func clearingDirty(_ entry: UInt64) -> UInt64
  /// The entry with accessed set, and dirty too if asked: what the CPU's walk would do.
  static func marking(_ entry: UInt64, _ access: AccessMark) -> UInt64
}

/// What an access leaves in an entry.
public enum AccessMark: Sendable { case read, written }

/// Rights and attributes of a page.
public struct Protection: OptionSet, Hashable, Sendable, BitwiseCopyable {
  public let rawValue: UInt8
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  public static var read: Self { Self(rawValue: 1) }
  public static var write: Self { Self(rawValue: 2) }
  public static var execute: Self { Self(rawValue: 4) }
  /// User mode may use it.
  public static var user: Self { Self(rawValue: 8) }
  /// The same in every address space, so that a switch need not flush it.
  public static var global: Self { Self(rawValue: 16) }
  /// Not cached: device registers.
  public static var device: Self { Self(rawValue: 32) }
  /// Software: the frame is not counted (the zero page). Linux: `pte_special()`.
  public static var uncounted: Self { Self(rawValue: 64) }
}

/// What the kernel keeps in an entry that is not present.
public enum SoftwareEntry: Hashable, Sendable, BitwiseCopyable {
  /// A page in swap. Linux: `swp_entry_t`; 5 bits of type, at least 24 of offset.
  case swap(device: UInt8, slot: UInt32)
  /// A page that is being moved to another frame. Linux: `SWP_MIGRATION_*`.
  case migration(PageFrameNumber, writable: Bool)
}

/// What a page-table entry says.
public enum DecodedEntry: Hashable, Sendable, BitwiseCopyable {
  /// All zero.
  case empty
  case table(PageFrameNumber)
  case leaf(Leaf)
  case software(SoftwareEntry)

  public struct Leaf: Hashable, Sendable, BitwiseCopyable {
    public var frame: PageFrameNumber
    public var protection: Protection
    public var isAccessed: Bool
    public var isDirty: Bool

    public init(
      frame: PageFrameNumber, protection: Protection, isAccessed: Bool, isDirty: Bool
    ) {
      self.frame = frame
      self.protection = protection
      self.isAccessed = isAccessed
      self.isDirty = isDirty
    }
  }
}
