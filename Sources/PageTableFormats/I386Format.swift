// SPDX-License-Identifier: Apache-2.0

import MemoryUnits

/// Two levels of 1,024 entries of 4 bytes, 32-bit addresses, pages of 4 KiB and 4 MiB; nothing
/// keeps a readable page from being executed.
///
///     software entry  | number 2…24 (23) | 0 | number 0…1 | code (5) | 0 |
///                      31              9   8   7         6  5       1  0
///
/// Source: Intel SDM volume 3A, 4.3 (32-bit paging, CR4.PSE set); software bits: `X86EntryBits`.
public enum I386Format: PageTableFormat {
  public static var levelCount: Int { 2 }
  public static var entryByteCount: Int { 4 }
  /// 3 GiB: the split of Linux's `CONFIG_VMSPLIT_3G`.
  public static var userLimit: VirtualAddress { VirtualAddress(0xC000_0000) }
  public static var firstKernelIndex: Int { 768 }

  public static func index(of address: VirtualAddress, level: Int) -> Int {
    Int(address.value &>> UInt64(12 + 10 * level) & 1023)
  }

  public static func canonical(_ bits: UInt64) -> VirtualAddress {
    VirtualAddress(bits & 0xFFFF_FFFF)
  }

  public static func entryCount(level: Int) -> Int { 1024 }

  public static func pageSize(level: Int) -> PageSize { PageSize(shift: UInt64(12 + 10 * level)) }

  public static func granted(_ protection: Protection) -> Protection {
    protection.isAccessible ? protection.union(.readExecute) : protection.hardwareRights
  }

  /// - Precondition: the frame is below 4 GiB.
  public static func leaf(
    _ frame: PageFrameNumber, _ protection: Protection, level: Int
  ) -> UInt64 {
    precondition(frame.value < 1 &<< 20, "a frame beyond 32-bit paging")
    let entry =
      UInt64(frame.value) &<< 12 | X86EntryBits.rights(protection)
      | X86EntryBits.attributes(protection)
    return level > 0 ? entry | X86EntryBits.large : entry
  }

  /// Writable and for users, since the leaves decide.
  public static func table(_ frame: PageFrameNumber, level: Int) -> UInt64 {
    UInt64(frame.value) &<< 12 | X86EntryBits.present | X86EntryBits.writable
      | X86EntryBits.user | X86EntryBits.accessed
  }

  /// - Precondition: the slot is below 2²⁵.
  public static func software(_ entry: SoftwareEntry) -> UInt64 {
    let code = SoftwareCode(entry)
    precondition(code.number < 1 &<< 25, "a slot beyond a 4-byte entry")
    return code.code &<< 1 | (code.number & 3) &<< 6 | (code.number &>> 2) &<< 9
  }

  public static func decode(_ entry: UInt64, level: Int) -> DecodedEntry {
    if entry == 0 { return .empty }
    if entry & (X86EntryBits.present | X86EntryBits.noAccess) == 0 {
      let number = entry &>> 6 & 3 | (entry &>> 9) &<< 2
      return .software(SoftwareCode(code: entry &>> 1 & 31, number: number).entry)
    }
    let frame = (entry & 0xFFFF_F000) &>> 12
    if level > 0, entry & X86EntryBits.large == 0 {
      return .table(PageFrameNumber(UInt32(truncatingIfNeeded: frame)))
    }
    var protection = X86EntryBits.protection(entry)
    if protection.isAccessible { protection.formUnion(.execute) }
    return X86EntryBits.leaf(entry, frame: frame, protection)
  }

  public static func protecting(
    _ entry: UInt64, _ protection: Protection, level: Int
  ) -> UInt64 {
    var changed = entry & (0xFFFF_F000 | X86EntryBits.kept)
    if entry & X86EntryBits.present != 0, protection.isAccessible {
      changed |= entry & X86EntryBits.global
    }
    return changed | X86EntryBits.rights(protection)
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
