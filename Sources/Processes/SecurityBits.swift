// SPDX-License-Identifier: Apache-2.0

import LinuxABI
import Machine
import MemoryUnits

/// How capabilities go with users. Each bit's neighbour above it locks it.
///
/// Linux: `SECBIT_*`.
struct SecurityBits: FlagSet, BitwiseCopyable {
  let rawValue: UInt8

  /// A program gets nothing from being the administrator's. Linux: `SECBIT_NOROOT`.
  static var rootIsNobody: Self { Self(rawValue: 1 << 0) }
  /// Linux: `SECBIT_NO_SETUID_FIXUP`.
  static var noChangeWithUser: Self { Self(rawValue: 1 << 2) }
  /// Linux: `SECBIT_KEEP_CAPS`.
  static var keep: Self { Self(rawValue: 1 << 4) }
  static var keepLocked: Self { Self(rawValue: 1 << 5) }
  /// Linux: `SECBIT_NO_CAP_AMBIENT_RAISE`.
  static var noAmbientRaise: Self { Self(rawValue: 1 << 6) }
  private static var locks: UInt8 { 0xAA }

  /// Whether other bits may follow these: what is locked stays as it is.
  func allows(_ new: Self) -> Bool {
    let locked = rawValue & Self.locks
    let changed = rawValue ^ new.rawValue
    return changed & (locked | locked >> 1) == 0
  }
}

extension Identity {
  /// Permitted capabilities outlive a change of user.
  var keepsCapabilities: Bool {
    get { security.contains(.keep) }
    set { security = newValue ? security.union(.keep) : security.subtracting(.keep) }
  }

  /// The security bits of a number that a program gives; nil where it may not set them.
  ///
  /// Linux: `PR_SET_SECUREBITS` in `cap_task_prctl()`.
  func security(changedTo number: UInt64) -> SecurityBits? {
    guard number <= 0xFF, can(.setCapabilities) else { return nil }
    let new = SecurityBits(rawValue: UInt8(number))
    return security.allows(new) ? new : nil
  }
}
