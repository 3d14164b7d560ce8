// SPDX-License-Identifier: Apache-2.0

import MemoryUnits

/// RISC-V: three levels of 512 entries, 39-bit addresses, pages of 4 KiB, 2 MiB and 1 GiB.
///
///     leaf       | … | frame 10…53 | - | 8 uncounted | D | A | G | U | X | W | R | 1 |
///     no access  | … | frame 10…53 | - | 8 uncounted | D | A | 1 | U | 0 | 0 | 0 | 0 |
///     software   | number 12…43 | code 7…11 |              0 | 0               0 | 0 |
///
/// Source: RISC-V privileged architecture, 4.4 (Sv39); Svpbmt for devices; software entries as
/// Linux's `arch/riscv/include/asm/pgtable.h` lays them out.
public enum Sv39Format: PageTableFormat {
  private static var valid: UInt64 { 1 &<< 0 }
  private static var read: UInt64 { 1 &<< 1 }
  private static var write: UInt64 { 1 &<< 2 }
  private static var execute: UInt64 { 1 &<< 3 }
  private static var user: UInt64 { 1 &<< 4 }
  private static var global: UInt64 { 1 &<< 5 }
  /// With `valid` clear. Linux: `_PAGE_PROT_NONE`.
  private static var noAccess: UInt64 { 1 &<< 5 }
  private static var accessed: UInt64 { 1 &<< 6 }
  private static var dirty: UInt64 { 1 &<< 7 }
  /// Linux: `_PAGE_SPECIAL`.
  private static var uncounted: UInt64 { 1 &<< 8 }
  /// Svpbmt: non-cacheable, strongly ordered I/O.
  private static var device: UInt64 { 2 &<< 61 }
  private static var frameMask: UInt64 { 0x003F_FFFF_FFFF_FC00 }

  public static var levelCount: Int { 3 }
  public static var entryByteCount: Int { 8 }
  /// 256 GiB.
  public static var userLimit: VirtualAddress { VirtualAddress(1 &<< 38) }
  public static var firstKernelIndex: Int { 256 }

  public static func index(of address: VirtualAddress, level: Int) -> Int {
    Int(address.value &>> UInt64(12 + 9 * level) & 511)
  }

  public static func canonical(_ bits: UInt64) -> VirtualAddress {
    VirtualAddress(UInt64(bitPattern: Int64(bitPattern: bits &<< 25) &>> 25))
  }

  public static func entryCount(level: Int) -> Int { 512 }

  public static func pageSize(level: Int) -> PageSize { PageSize(shift: UInt64(12 + 9 * level)) }

  public static func granted(_ protection: Protection) -> Protection {
    protection.hardwareRights
  }

  public static func leaf(
    _ frame: PageFrameNumber, _ protection: Protection, level: Int
  ) -> UInt64 {
    var entry = UInt64(frame.value) &<< 10 | rights(protection)
    if protection.contains(.global), protection.isAccessible { entry |= global }
    if protection.contains(.device) || protection.contains(.writeCombining) { entry |= device }
    if protection.contains(.uncounted) { entry |= uncounted }
    return entry
  }

  public static func table(_ frame: PageFrameNumber, level: Int) -> UInt64 {
    UInt64(frame.value) &<< 10 | valid
  }

  public static func software(_ entry: SoftwareEntry) -> UInt64 {
    let code = SoftwareCode(entry)
    return code.code &<< 7 | code.number &<< 12
  }

  public static func decode(_ entry: UInt64, level: Int) -> DecodedEntry {
    if entry == 0 { return .empty }
    if entry & (valid | noAccess) == 0 {
      return .software(SoftwareCode(code: entry &>> 7 & 31, number: entry &>> 12).entry)
    }
    let frame = PageFrameNumber(UInt32(truncatingIfNeeded: (entry & frameMask) &>> 10))
    if entry & valid != 0, entry & (read | write | execute) == 0 { return .table(frame) }
    return .leaf(
      DecodedEntry.Leaf(
        frame: frame, protection: protection(entry), isAccessed: entry & accessed != 0,
        isDirty: entry & dirty != 0))
  }

  public static func protecting(
    _ entry: UInt64, _ protection: Protection, level: Int
  ) -> UInt64 {
    var changed = entry & (frameMask | accessed | dirty | uncounted | device)
    if entry & valid != 0, protection.isAccessible { changed |= entry & global }
    return changed | rights(protection)
  }

  public static func writeProtecting(_ entry: UInt64) -> UInt64 { entry & ~write }

  public static func clearingAccessed(_ entry: UInt64) -> UInt64 { entry & ~accessed }

  public static func clearingDirty(_ entry: UInt64) -> UInt64 { entry & ~dirty }

  public static func marking(_ entry: UInt64, _ access: AccessMark) -> UInt64 {
    switch access {
    case .read: entry | accessed
    case .written: entry | accessed | dirty
    }
  }

  private static func rights(_ protection: Protection) -> UInt64 {
    var bits: UInt64 = protection.contains(.user) ? user : 0
    guard protection.isAccessible else { return bits | noAccess }
    bits |= valid | read
    if protection.contains(.write) { bits |= write }
    if protection.contains(.execute) { bits |= execute }
    return bits
  }

  private static func protection(_ entry: UInt64) -> Protection {
    var protection = Protection.inaccessible
    if entry & user != 0 { protection.formUnion(.user) }
    if entry & device != 0 { protection.formUnion(.device) }
    if entry & uncounted != 0 { protection.formUnion(.uncounted) }
    guard entry & valid != 0 else { return protection }
    protection.formUnion(.read)
    if entry & write != 0 { protection.formUnion(.write) }
    if entry & execute != 0 { protection.formUnion(.execute) }
    if entry & global != 0 { protection.formUnion(.global) }
    return protection
  }
}
