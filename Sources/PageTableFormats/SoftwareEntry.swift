// SPDX-License-Identifier: Apache-2.0

import MemoryUnits

/// What the kernel keeps in an entry that is not present.
public enum SoftwareEntry: Hashable, Sendable, BitwiseCopyable {
  /// A page in swap: a device below `deviceCount`, and a slot of at least 24 bits (25 on i386,
  /// 32 elsewhere). Linux: `swp_entry_t`.
  case swap(device: UInt8, slot: UInt32)
  /// A page that is being moved to another frame. Linux: `SWP_MIGRATION_*`.
  case migration(PageFrameNumber, writable: Bool)

  /// Swap devices that an entry can name. Linux: `MAX_SWAPFILES`.
  public static var deviceCount: Int { 29 }
}

/// A software entry as every format stores it: five bits that are never zero, and a number.
///
/// Codes 1 to 29 are the swap devices 0 to 28, 30 and 31 migration without and with the right to
/// write. Since the code is not zero, neither is the entry.
struct SoftwareCode {
  /// 1 to 31.
  let code: UInt64
  /// Slot or frame.
  let number: UInt64

  init(code: UInt64, number: UInt64) {
    self.code = code
    self.number = number
  }

  init(_ entry: SoftwareEntry) {
    switch entry {
    case .swap(let device, let slot):
      precondition(device < SoftwareEntry.deviceCount, "no such swap device")
      self.init(code: UInt64(device) + 1, number: UInt64(slot))
    case .migration(let frame, let writable):
      self.init(code: writable ? 31 : 30, number: UInt64(frame.value))
    }
  }

  var entry: SoftwareEntry {
    let number = UInt32(truncatingIfNeeded: number)
    if code >= 30 { return .migration(PageFrameNumber(number), writable: code == 31) }
    return .swap(device: UInt8(truncatingIfNeeded: code &- 1), slot: number)
  }
}
