// SPDX-License-Identifier: Apache-2.0

import MemoryUnits

/// Four levels of 512 entries, 48-bit addresses, pages of 4 KiB, 2 MiB and 1 GiB.
///
/// Source: Intel SDM volume 3A, 4.5; software bits: `X86EntryBits`.
public enum X8664Format: PageTableFormat {
  public static var levelCount: Int { 4 }
  public static var entryByteCount: Int { 8 }
  /// 128 TiB less a guard page.
  public static var userLimit: VirtualAddress { VirtualAddress(0x0000_7FFF_FFFF_F000) }
  public static var firstKernelIndex: Int { 256 }

  public static func index(of address: VirtualAddress, level: Int) -> Int {
    Int(truncatingIfNeeded: address.value &>> shift(level) & 511)
  }

  public static func canonical(_ bits: UInt64) -> VirtualAddress {
    VirtualAddress(UInt64(bitPattern: Int64(bitPattern: bits &<< 16) &>> 16))
  }

  public static func entryCount(level: Int) -> Int { 512 }

  public static func pageSize(level: Int) -> PageSize { PageSize(shift: shift(level)) }

  /// Unchecked, since every step of every walk needs it; levels are 0 to 4.
  @inline(__always)
  private static func shift(_ level: Int) -> UInt64 {
    12 &+ 9 &* UInt64(truncatingIfNeeded: level)
  }

  public static func granted(_ protection: Protection) -> Protection {
    protection.hardwareRights
  }

  @inline(__always)
  public static func leaf(
    _ frame: PageFrameNumber, _ protection: Protection, level: Int
  ) -> UInt64 {
    X86WideEntry.leaf(frame, protection, level: level)
  }

  /// Writable and for users, since the leaves decide. Linux: `_PAGE_TABLE` without dirty.
  public static func table(_ frame: PageFrameNumber, level: Int) -> UInt64 {
    UInt64(frame.value) &<< 12 | X86EntryBits.present | X86EntryBits.writable
      | X86EntryBits.user | X86EntryBits.accessed
  }

  public static func software(_ entry: SoftwareEntry) -> UInt64 { X86WideEntry.software(entry) }

  @inline(__always)
  public static func decode(_ entry: UInt64, level: Int) -> DecodedEntry {
    X86WideEntry.decode(entry, level: level)
  }

  public static func tableFrame(_ entry: UInt64) -> PageFrameNumber? {
    guard entry & (X86EntryBits.present | X86EntryBits.large) == X86EntryBits.present else {
      return nil
    }
    return PageFrameNumber(
      UInt32(truncatingIfNeeded: (entry & X86WideEntry.frameMask) &>> 12))
  }

  @inline(__always)
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
