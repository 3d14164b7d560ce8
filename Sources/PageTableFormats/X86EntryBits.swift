// SPDX-License-Identifier: Apache-2.0

import MemoryUnits

/// The bits that entries of all three x86 formats have in common, and the software bits laid out
/// for all of them.
///
///      present leaf  | frame … | 11 10 | 9 uncounted | G | PS | D | A | PCD | PWT | US | RW | 1 |
///      no access     | frame … | 11 10 | 9 uncounted | 1 | PS | D | A | PCD | PWT | US |  0 | 0 |
///      software      | number …                      | 0 | …  |      code (5)            | 0 |
///
/// Bit 8 without bit 0 means a page that keeps its frame but allows no access (Linux:
/// `_PAGE_PROTNONE`), so software entries keep both clear.
///
/// Source: Intel SDM volume 3A, 4.3 to 4.5.
enum X86EntryBits {
  static var present: UInt64 { 1 &<< 0 }
  static var writable: UInt64 { 1 &<< 1 }
  static var user: UInt64 { 1 &<< 2 }
  static var writeThrough: UInt64 { 1 &<< 3 }
  static var uncached: UInt64 { 1 &<< 4 }
  static var accessed: UInt64 { 1 &<< 5 }
  static var dirty: UInt64 { 1 &<< 6 }
  /// In an entry above level 0: a leaf.
  static var large: UInt64 { 1 &<< 7 }
  static var global: UInt64 { 1 &<< 8 }
  /// With `present` clear. Linux: `_PAGE_PROTNONE`.
  static var noAccess: UInt64 { 1 &<< 8 }
  /// Linux: `_PAGE_SPECIAL`, software bit 1.
  static var uncounted: UInt64 { 1 &<< 9 }
  /// In formats with 8-byte entries.
  static var noExecute: UInt64 { 1 &<< 63 }

  /// What `protecting` takes from the old entry.
  static var kept: UInt64 {
    writeThrough | uncached | accessed | dirty | large | uncounted
  }

  /// The bits of a leaf's protection below its frame.
  @inline(__always)
  static func rights(_ protection: Protection) -> UInt64 {
    var bits: UInt64 = 0
    if protection.contains(.user) { bits |= user }
    guard protection.isAccessible else { return bits | noAccess }
    bits |= present
    if protection.contains(.write) { bits |= writable }
    return bits
  }

  /// The bits of a leaf's attributes.
  @inline(__always)
  static func attributes(_ protection: Protection) -> UInt64 {
    var bits: UInt64 = 0
    if protection.contains(.global), protection.isAccessible { bits |= global }
    if protection.rawValue & (Protection.device.rawValue | Protection.writeCombining.rawValue) != 0
    {
      bits |= caching(protection)
    }
    if protection.contains(.uncounted) { bits |= uncounted }
    return bits
  }

  /// Which of the machine's four kinds of caching: 1 write-combining, 2 write-through, 3 none.
  ///
  /// Linux: `pat_bp_init()`; the machine fills the table (`ModelRegisters.caching`).
  private static func caching(_ protection: Protection) -> UInt64 {
    if !protection.contains(.device) { return writeThrough }
    return protection.contains(.writeCombining) ? uncached : uncached | writeThrough
  }

  /// What the low bits of a leaf grant; execution is the format's to say.
  @inline(__always)
  static func protection(_ entry: UInt64) -> Protection {
    // By shifts, since this is in the loop over every page of a range: `user` and `device` are
    // one bit higher there, `uncounted` is three and `global` four bits lower.
    let attributes = (entry & (user | uncached)) &<< 1 | (entry & uncounted) &>> 3
    let rights = entry & (present | writable) | (entry & global) &>> 4
    let mask = 0 &- (entry & present)
    return Protection(rawValue: UInt8(truncatingIfNeeded: attributes | rights & mask))
  }

  @inline(__always)
  static func leaf(
    _ entry: UInt64, frame: UInt64, _ protection: Protection
  ) -> DecodedEntry {
    .leaf(
      DecodedEntry.Leaf(
        frame: PageFrameNumber(UInt32(truncatingIfNeeded: frame)), protection: protection,
        isAccessed: entry & accessed != 0, isDirty: entry & dirty != 0))
  }

  static func marking(_ entry: UInt64, _ access: AccessMark) -> UInt64 {
    switch access {
    case .read: entry | accessed
    case .written: entry | accessed | dirty
    }
  }
}
