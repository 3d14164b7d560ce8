// SPDX-License-Identifier: Apache-2.0

import MemoryUnits

/// What a page table of one architecture looks like: pure values, no memory.
///
/// Level 0 holds the entries that map base pages; the root is level `levelCount - 1`. An entry
/// is a `UInt64` on every architecture; formats with 4-byte entries use its low half. Zero is
/// the empty entry everywhere, and no other entry is zero.
///
/// Shifts are masked in all formats: all are by less than 64 bits, and the checked shift needs an
/// array on 32-bit machines.
public protocol PageTableFormat: Sendable {
  /// 4 on x86-64, 3 on PAE and Sv39, 2 on i386.
  static var levelCount: Int { get }
  /// 8 or 4.
  static var entryByteCount: Int { get }
  /// The first address that no user page may have. Linux: `TASK_SIZE_MAX`.
  static var userLimit: VirtualAddress { get }
  /// The root's first entry of the kernel's half; all from there on are the same in every
  /// address space. Linux: `KERNEL_PGD_BOUNDARY`.
  static var firstKernelIndex: Int { get }

  /// The place of an address's entry in its table of a level.
  static func index(of address: VirtualAddress, level: Int) -> Int
  /// The address that such translated bits stand for: bits above them as the CPU wants them.
  static func canonical(_ bits: UInt64) -> VirtualAddress
  /// The number of entries in a table of a level.
  static func entryCount(level: Int) -> Int
  /// The address range of one entry of a level, and what it maps where it is a leaf.
  static func pageSize(level: Int) -> PageSize

  /// What the hardware grants a page for which these rights are asked.
  ///
  /// Write and execute bring read with them, and where there is no bit against execution, read
  /// brings that. Without any of the three the page keeps its frame and faults on every access
  /// (Linux: `PROT_NONE`); it is not global then.
  static func granted(_ protection: Protection) -> Protection

  /// An entry that maps a page of the level's size, neither accessed nor dirty.
  ///
  /// `decode` gives back the frame and what is `granted` of the protection.
  static func leaf(_ frame: PageFrameNumber, _ protection: Protection, level: Int) -> UInt64
  /// An entry that leads to a table of the level below.
  static func table(_ frame: PageFrameNumber, level: Int) -> UInt64
  /// An entry that no CPU uses, holding what the kernel wants to find there again.
  static func software(_ entry: SoftwareEntry) -> UInt64
  /// What an entry says.
  static func decode(_ entry: UInt64, level: Int) -> DecodedEntry
  /// The table that an entry above level 0 leads to: what `decode` says, for the walk.
  static func tableFrame(_ entry: UInt64) -> PageFrameNumber?

  /// The leaf with other rights (read, write, execute, user).
  ///
  /// Its frame, the accessed and dirty bits and what else the frame brings (device, uncounted;
  /// global while it is accessible) stay. Linux: `pte_modify()`.
  static func protecting(_ entry: UInt64, _ protection: Protection, level: Int) -> UInt64
  /// The leaf without the right to write. Linux: `pte_wrprotect()`.
  static func writeProtecting(_ entry: UInt64) -> UInt64
  /// The leaf with the accessed bit cleared. Linux: `pte_mkold()`.
  static func clearingAccessed(_ entry: UInt64) -> UInt64
  /// The leaf with the dirty bit cleared. Linux: `pte_mkclean()`.
  static func clearingDirty(_ entry: UInt64) -> UInt64
  /// The leaf with accessed set, and dirty too if asked: what the CPU's walk would do.
  static func marking(_ entry: UInt64, _ access: AccessMark) -> UInt64
}

extension PageTableFormat {
  public static func tableFrame(_ entry: UInt64) -> PageFrameNumber? {
    guard case .table(let frame) = decode(entry, level: 1) else { return nil }
    return frame
  }

  /// The level of a root.
  public static var rootLevel: Int { levelCount - 1 }

  /// Whether a page can be kept from being executed at all.
  public static var hasNoExecute: Bool { !granted(.read).contains(.execute) }
}

/// What an access leaves in an entry.
public enum AccessMark: Sendable { case read, written }
