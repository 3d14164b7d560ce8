// SPDX-License-Identifier: Apache-2.0

import MemoryUnits

/// How a request may be served, one bit each, with Linux's numbers.
///
/// Where the frames may lie and whether they can be moved has fields of its own in
/// `FrameRequest`; `FrameRequest.mode` is all of it as Linux prints it.
///
/// Linux: `gfp_t`, include/linux/gfp_types.h of 6.12.
public struct RequestFlags: FlagSet, Sendable, BitwiseCopyable {
  public let rawValue: UInt32

  public init(rawValue: UInt32) { self.rawValue = rawValue }

  /// May have half of the minimum too. Linux: `__GFP_HIGH`.
  public static var high: Self { Self(rawValue: 1 << 5) }
  /// Reclaim on its behalf may start reads and writes of a disk. Linux: `__GFP_IO`.
  public static var mayStartTransfers: Self { Self(rawValue: 1 << 6) }
  /// Reclaim on its behalf may call file systems, and a process may be killed for it.
  ///
  /// Linux: `__GFP_FS`.
  public static var mayCallFileSystems: Self { Self(rawValue: 1 << 7) }
  /// The bytes shall be zero. Linux: `__GFP_ZERO`.
  public static var zeroed: Self { Self(rawValue: 1 << 8) }
  /// May sleep until there is memory. Linux: `__GFP_DIRECT_RECLAIM`.
  public static var mayWait: Self { Self(rawValue: 1 << 10) }
  /// Wakes reclaim in the background. Linux: `__GFP_KSWAPD_RECLAIM`.
  public static var wakesReclaim: Self { Self(rawValue: 1 << 11) }
  /// A failure is expected and not worth a report. Linux: `__GFP_NOWARN`.
  public static var quiet: Self { Self(rawValue: 1 << 13) }
  /// Tries hard, but rather fails than has a process killed. Linux: `__GFP_RETRY_MAYFAIL`.
  public static var ratherFails: Self { Self(rawValue: 1 << 14) }
  /// The caller cannot handle a failure: tries for ever. Linux: `__GFP_NOFAIL`.
  public static var neverFails: Self { Self(rawValue: 1 << 15) }
  /// Fails after one round of reclaim. Linux: `__GFP_NORETRY`.
  public static var triesOnce: Self { Self(rawValue: 1 << 16) }
  /// May have all there is: for who frees memory by it. Linux: `__GFP_MEMALLOC`.
  public static var reserve: Self { Self(rawValue: 1 << 17) }
  /// Never touches the reserves, whoever asks. Linux: `__GFP_NOMEMALLOC`.
  public static var keepsOffReserves: Self { Self(rawValue: 1 << 19) }
  /// On a program's behalf. Linux: `__GFP_HARDWALL`.
  public static var forProgram: Self { Self(rawValue: 1 << 20) }

  /// The ordinary case: may wait, write and kill. Linux: `GFP_KERNEL`.
  public static var kernel: Self { Self(rawValue: 0xCC0) }
  /// Linux: `GFP_USER`, and `GFP_HIGHUSER` with its zone.
  public static var program: Self { Self(rawValue: 0x10_0CC0) }
  /// Cannot wait, and matters. Linux: `GFP_ATOMIC`.
  public static var atomic: Self { Self(rawValue: 0x820) }
  /// Cannot wait, and may fail. Linux: `GFP_NOWAIT`.
  public static var immediate: Self { Self(rawValue: 0x2800) }
  /// From a disk's driver. Linux: `GFP_NOIO`.
  public static var withoutTransfers: Self { Self(rawValue: 0xC00) }
  /// From a file system. Linux: `GFP_NOFS`.
  public static var withoutFileSystems: Self { Self(rawValue: 0xC40) }
}
