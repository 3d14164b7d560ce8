// SPDX-License-Identifier: Apache-2.0

import MemoryUnits

/// The 8-byte entry that x86-64 and PAE share below the root.
///
/// Source: Intel SDM volume 3A, tables 4-11 (PAE) and 4-20 (4-level); software entries: the
/// code in bits 1 to 5, the number in the upper half, as Linux has it for PAE.
enum X86WideEntry {
  /// Bits 12 to 51; bit 12 of a large leaf is its PAT bit, which is never set here.
  static var frameMask: UInt64 { 0x000F_FFFF_FFFF_F000 }

  @inline(__always)
  static func leaf(
    _ frame: PageFrameNumber, _ protection: Protection, level: Int
  ) -> UInt64 {
    var entry = UInt64(frame.value) &<< 12
    entry |= X86EntryBits.rights(protection) | X86EntryBits.attributes(protection)
    if !protection.contains(.execute) { entry |= X86EntryBits.noExecute }
    if level > 0 { entry |= X86EntryBits.large }
    return entry
  }

  static func software(_ entry: SoftwareEntry) -> UInt64 {
    let code = SoftwareCode(entry)
    return code.number &<< 32 | code.code &<< 1
  }

  @inline(__always)
  static func decode(_ entry: UInt64, level: Int) -> DecodedEntry {
    if entry == 0 { return .empty }
    let frame = (entry & frameMask) &>> 12
    if entry & (X86EntryBits.present | X86EntryBits.noAccess) == 0 {
      return .software(SoftwareCode(code: entry &>> 1 & 31, number: entry &>> 32).entry)
    }
    if level > 0, entry & X86EntryBits.large == 0 {
      return .table(PageFrameNumber(UInt32(truncatingIfNeeded: frame)))
    }
    let mayExecute = (entry & X86EntryBits.present) & (~entry &>> 63)
    let protection = X86EntryBits.protection(entry).union(
      Protection(rawValue: UInt8(truncatingIfNeeded: mayExecute &<< 2)))
    return X86EntryBits.leaf(entry, frame: frame, protection)
  }

  @inline(__always)
  static func protecting(_ entry: UInt64, _ protection: Protection) -> UInt64 {
    var changed = entry & (frameMask | X86EntryBits.kept)
    if entry & X86EntryBits.present != 0, protection.isAccessible {
      changed |= entry & X86EntryBits.global
    }
    if !protection.contains(.execute) { changed |= X86EntryBits.noExecute }
    return changed | X86EntryBits.rights(protection)
  }
}
