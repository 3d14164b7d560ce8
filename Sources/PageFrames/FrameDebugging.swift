// SPDX-License-Identifier: Apache-2.0

import MemoryUnits

/// What the page allocator watches beside its work; nothing unless somebody asked.
///
/// The fast paths ask one question of all of it: whether there is any.
struct FrameDebugging: FlagSet, BitwiseCopyable {
  let rawValue: UInt8

  init(rawValue: UInt8) { self.rawValue = rawValue }

  /// Linux: `fail_page_alloc=`.
  static var failures: Self { Self(rawValue: 1 << 0) }
  /// Linux: `page_poison=`.
  static var poison: Self { Self(rawValue: 1 << 1) }
  /// Linux: `debug_guardpage_minorder=`.
  static var guards: Self { Self(rawValue: 1 << 2) }

  /// Whether frees are of interest, too.
  var watchesFrames: Bool { rawValue & 0b110 != 0 }
}
