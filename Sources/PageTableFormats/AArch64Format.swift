// SPDX-License-Identifier: Apache-2.0

import MemoryUnits

/// AArch64 with the 4 KiB granule: four levels of 512 entries, 48-bit addresses, pages of 4 KiB
/// and blocks of 2 MiB and 1 GiB.
///
/// Both TTBR registers hold the same root: user addresses have 47 bits, so the two halves use
/// different entries of it. Our level 3 is the manual's level 0.
///
/// A writable page that is clean is read-only with the dirty bit modifier set, so that a CPU
/// with hardware management makes it dirty by making it writable; `marking` does so elsewhere.
///
///     leaf       | 58 0 | 56 uncounted | 55 dirty | UXN | PXN | DBM | frame | nG | AF | SH |
///                | read-only | user | attribute index | type (2) |
///     no access  | 58 1 | …                                      | 00 |
///     software   | 58 0 | number 8…39 | code 3…7 | 000 |
///
/// Source: Arm ARM D8.3 (VMSAv8-64 descriptors); software bits as in Linux's
/// `arch/arm64/include/asm/pgtable-prot.h`; attribute indices as its `MT_NORMAL`,
/// `MT_DEVICE_nGnRE`.
public enum AArch64Format: PageTableFormat {
  private static var valid: UInt64 { 1 &<< 0 }
  /// A table above level 0, a page at level 0; clear: a block.
  private static var tableOrPage: UInt64 { 1 &<< 1 }
  private static var attributeDevice: UInt64 { 4 &<< 2 }
  private static var user: UInt64 { 1 &<< 6 }
  private static var readOnly: UInt64 { 1 &<< 7 }
  private static var innerShareable: UInt64 { 3 &<< 8 }
  private static var accessed: UInt64 { 1 &<< 10 }
  private static var notGlobal: UInt64 { 1 &<< 11 }
  /// The dirty bit modifier: the page may be written. Linux: `PTE_WRITE`.
  private static var writable: UInt64 { 1 &<< 51 }
  private static var kernelNoExecute: UInt64 { 1 &<< 53 }
  private static var userNoExecute: UInt64 { 1 &<< 54 }
  /// Linux: `PTE_DIRTY`.
  private static var dirty: UInt64 { 1 &<< 55 }
  /// Linux: `PTE_SPECIAL`.
  private static var uncounted: UInt64 { 1 &<< 56 }
  /// With `valid` clear. Linux: `PTE_PROT_NONE`.
  private static var noAccess: UInt64 { 1 &<< 58 }
  private static var frameMask: UInt64 { 0x0000_FFFF_FFFF_F000 }

  public static var levelCount: Int { 4 }
  public static var entryByteCount: Int { 8 }
  /// 128 TiB: one bit of Linux's 48 tells the halves apart.
  public static var userLimit: VirtualAddress { VirtualAddress(1 &<< 47) }
  public static var firstKernelIndex: Int { 256 }

  public static func index(of address: VirtualAddress, level: Int) -> Int {
    Int(address.value &>> UInt64(12 + 9 * level) & 511)
  }

  public static func canonical(_ bits: UInt64) -> VirtualAddress {
    VirtualAddress(UInt64(bitPattern: Int64(bitPattern: bits &<< 16) &>> 16))
  }

  public static func entryCount(level: Int) -> Int { 512 }

  public static func pageSize(level: Int) -> PageSize { PageSize(shift: UInt64(12 + 9 * level)) }

  public static func granted(_ protection: Protection) -> Protection {
    protection.hardwareRights
  }

  public static func leaf(
    _ frame: PageFrameNumber, _ protection: Protection, level: Int
  ) -> UInt64 {
    precondition(level < 3, "no blocks at the root")
    var entry = UInt64(frame.value) &<< 12 | rights(protection, level: level) | innerShareable
    if !protection.contains(.global) || !protection.isAccessible { entry |= notGlobal }
    if protection.contains(.device) || protection.contains(.writeCombining) {
      entry |= attributeDevice
    }
    if protection.contains(.uncounted) { entry |= uncounted }
    return entry
  }

  public static func table(_ frame: PageFrameNumber, level: Int) -> UInt64 {
    UInt64(frame.value) &<< 12 | valid | tableOrPage
  }

  public static func software(_ entry: SoftwareEntry) -> UInt64 {
    let code = SoftwareCode(entry)
    return code.code &<< 3 | code.number &<< 8
  }

  public static func decode(_ entry: UInt64, level: Int) -> DecodedEntry {
    if entry == 0 { return .empty }
    if entry & (valid | noAccess) == 0 {
      return .software(SoftwareCode(code: entry &>> 3 & 31, number: entry &>> 8).entry)
    }
    let frame = PageFrameNumber(UInt32(truncatingIfNeeded: (entry & frameMask) &>> 12))
    if level > 0, entry & (valid | tableOrPage) == valid | tableOrPage { return .table(frame) }
    return .leaf(
      DecodedEntry.Leaf(
        frame: frame, protection: protection(entry), isAccessed: entry & accessed != 0,
        isDirty: isDirty(entry)))
  }

  public static func protecting(
    _ entry: UInt64, _ protection: Protection, level: Int
  ) -> UInt64 {
    var changed =
      entry & (frameMask | accessed | uncounted | attributeDevice | innerShareable)
      | rights(protection, level: level)
    if isDirty(entry) { changed |= dirty }
    let isGlobal = entry & (valid | notGlobal) == valid && protection.isAccessible
    return isGlobal ? changed : changed | notGlobal
  }

  public static func writeProtecting(_ entry: UInt64) -> UInt64 {
    let changed = entry & ~writable | readOnly
    return isDirty(entry) ? changed | dirty : changed
  }

  public static func clearingAccessed(_ entry: UInt64) -> UInt64 { entry & ~accessed }

  public static func clearingDirty(_ entry: UInt64) -> UInt64 { entry & ~dirty | readOnly }

  public static func marking(_ entry: UInt64, _ access: AccessMark) -> UInt64 {
    if access == .read { return entry | accessed }
    if entry & writable == 0 { return entry | accessed | dirty }
    return (entry | accessed) & ~readOnly
  }

  private static func isDirty(_ entry: UInt64) -> Bool {
    entry & dirty != 0 || entry & (writable | readOnly) == writable
  }

  private static func rights(_ protection: Protection, level: Int) -> UInt64 {
    let isUser = protection.contains(.user)
    var bits = readOnly | (isUser ? user : 0)
    if !protection.contains(.execute) {
      bits |= userNoExecute | kernelNoExecute
    } else {
      bits |= isUser ? kernelNoExecute : userNoExecute
    }
    guard protection.isAccessible else { return bits | noAccess }
    if protection.contains(.write) { bits |= writable }
    return bits | valid | (level == 0 ? tableOrPage : 0)
  }

  private static func protection(_ entry: UInt64) -> Protection {
    var protection = Protection.inaccessible
    let isUser = entry & user != 0
    if isUser { protection.formUnion(.user) }
    if entry & attributeDevice != 0 { protection.formUnion(.device) }
    if entry & uncounted != 0 { protection.formUnion(.uncounted) }
    guard entry & valid != 0 else { return protection }
    protection.formUnion(.read)
    if entry & writable != 0 { protection.formUnion(.write) }
    if entry & (isUser ? userNoExecute : kernelNoExecute) == 0 { protection.formUnion(.execute) }
    if entry & notGlobal == 0 { protection.formUnion(.global) }
    return protection
  }
}
