// SPDX-License-Identifier: Apache-2.0

import MemoryUnits

/// Three levels, a root of 4 entries over tables of 512, 32-bit addresses, frames beyond 4 GiB,
/// pages of 4 KiB and 2 MiB.
///
/// The CPU copies the root's four entries into registers when it is activated: after a change
/// of one the root must be activated again.
///
/// Source: Intel SDM volume 3A, 4.4; software bits: `X86EntryBits`.
public enum PAEFormat: PageTableFormat {
  public static var levelCount: Int { 3 }
  public static var entryByteCount: Int { 8 }
  /// 3 GiB: the split of Linux's `CONFIG_VMSPLIT_3G`.
  public static var userLimit: VirtualAddress { VirtualAddress(0xC000_0000) }
  public static var firstKernelIndex: Int { 3 }

  public static func index(of address: VirtualAddress, level: Int) -> Int {
    let index = Int(address.value &>> UInt64(12 + 9 * level))
    return index & (level == 2 ? 3 : 511)
  }

  public static func canonical(_ bits: UInt64) -> VirtualAddress {
    VirtualAddress(bits & 0xFFFF_FFFF)
  }

  public static func entryCount(level: Int) -> Int { level == 2 ? 4 : 512 }

  public static func pageSize(level: Int) -> PageSize { PageSize(shift: UInt64(12 + 9 * level)) }

  public static func granted(_ protection: Protection) -> Protection {
    protection.hardwareRights
  }

  public static func leaf(
    _ frame: PageFrameNumber, _ protection: Protection, level: Int
  ) -> UInt64 {
    precondition(level < 2, "no pages of 1 GiB with PAE")
    return X86WideEntry.leaf(frame, protection, level: level)
  }

  /// The root's entries have no rights: those bits are reserved (SDM table 4-8).
  public static func table(_ frame: PageFrameNumber, level: Int) -> UInt64 {
    let entry = UInt64(frame.value) &<< 12 | X86EntryBits.present
    if level == 2 { return entry }
    return entry | X86EntryBits.writable | X86EntryBits.user | X86EntryBits.accessed
  }

  public static func software(_ entry: SoftwareEntry) -> UInt64 { X86WideEntry.software(entry) }

  public static func decode(_ entry: UInt64, level: Int) -> DecodedEntry {
    X86WideEntry.decode(entry, level: level)
  }

  public static func protecting(
    _ entry: UInt64, _ protection: Protection, level: Int
  ) -> UInt64 {
    X86WideEntry.protecting(entry, protection)
  }

  public static func writeProtecting(_ entry: UInt64) -> UInt64 {
    entry & ~X86EntryBits.writable
  }

  public static func clearingAccessed(_ entry: UInt64) -> UInt64 {
    entry & ~X86EntryBits.accessed
  }

  public static func clearingDirty(_ entry: UInt64) -> UInt64 { entry & ~X86EntryBits.dirty }

  public static func marking(_ entry: UInt64, _ access: AccessMark) -> UInt64 {
    X86EntryBits.marking(entry, access)
  }
}
