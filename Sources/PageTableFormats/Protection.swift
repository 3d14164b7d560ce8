// SPDX-License-Identifier: Apache-2.0

import MemoryUnits

/// Rights and attributes of a page.
///
/// Linux: `pgprot_t`.
public struct Protection: FlagSet, Hashable, Sendable, BitwiseCopyable {
  public let rawValue: UInt8
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  public static var read: Self { Self(rawValue: 1) }
  public static var write: Self { Self(rawValue: 2) }
  public static var execute: Self { Self(rawValue: 4) }
  /// User mode may use it.
  public static var user: Self { Self(rawValue: 8) }
  /// The same in every address space, so that a switch need not flush it.
  public static var global: Self { Self(rawValue: 16) }
  /// Not cached: device registers.
  public static var device: Self { Self(rawValue: 32) }
  /// Software: the frame is not counted (the zero page). Linux: `pte_special()`.
  public static var uncounted: Self { Self(rawValue: 64) }

  /// Writes may be put together before they go out: memory that a device shows. With `device`,
  /// what is read may be kept and every write goes out at once. `decode` does not tell it.
  ///
  /// Linux: `_PAGE_CACHE_MODE_WC`, `_PAGE_CACHE_MODE_WT`.
  public static var writeCombining: Self { Self(rawValue: 128) }

  public static var inaccessible: Self { Self(rawValue: 0) }
  public static var readWrite: Self { Self(rawValue: 1 | 2) }
  public static var readExecute: Self { Self(rawValue: 1 | 4) }

  /// Whether any access is allowed; a page without is Linux's `PROT_NONE`.
  public var isAccessible: Bool { rawValue & 0b111 != 0 }

  /// The rights, without attributes: read, write, execute, user.
  public var rights: Self { Self(rawValue: rawValue & 0b1111) }

  /// The attributes that stay with a frame whatever its rights become.
  public var attributes: Self { Self(rawValue: rawValue & 0b1111_0000) }

  /// These, with read wherever there is write or execute, and not global where there is nothing.
  var hardwareRights: Self {
    isAccessible ? union(.read) : subtracting(.global)
  }
}
