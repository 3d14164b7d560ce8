// SPDX-License-Identifier: Apache-2.0

import MemoryUnits

/// How an allocation goes about its work, worked out of its request for one try.
///
/// Linux: `ALLOC_NOFRAGMENT` and its kin, `gfp_to_alloc_flags()`.
struct AllocationRules: FlagSet, BitwiseCopyable {
  let rawValue: UInt8

  init(rawValue: UInt8) { self.rawValue = rawValue }

  /// Takes no block of another mobility that is smaller than a page block.
  ///
  /// Linux: `ALLOC_NOFRAGMENT`.
  static var keepsApart: Self { Self(rawValue: 1 << 0) }
  /// Reaches into half of the minimum. Linux: `ALLOC_MIN_RESERVE`.
  static var reachesDeep: Self { Self(rawValue: 1 << 1) }
  /// Cannot wait, and so reaches a quarter deeper. Linux: `ALLOC_NON_BLOCK`.
  static var cannotWait: Self { Self(rawValue: 1 << 2) }
  /// May have what is kept for several frames at once. Linux: `ALLOC_HIGHATOMIC`.
  static var highAtomic: Self { Self(rawValue: 1 << 3) }
  /// Asks no mark. Linux: `ALLOC_NO_WATERMARKS`.
  static var asksNoMark: Self { Self(rawValue: 1 << 4) }

  /// Whether it may have frames that are counted as kept. Linux: `ALLOC_RESERVES`.
  var reachesReserves: Bool { rawValue & 0b1_1110 != 0 }
}

extension FrameRequest {
  /// The rules below the low mark. Linux: `gfp_to_alloc_flags()`.
  var rules: AllocationRules {
    var rules = AllocationRules()
    if flags.contains(.high) { rules.formUnion(.reachesDeep) }
    if !flags.contains(.mayWait) && !flags.contains(.keepsOffReserves) {
      rules.formUnion(.cannotWait)
      if order > .zero && flags.contains(.high) { rules.formUnion(.highAtomic) }
    }
    if flags.contains(.reserve) && !flags.contains(.keepsOffReserves) {
      rules.formUnion(.asksNoMark)
    }
    return rules
  }
}
