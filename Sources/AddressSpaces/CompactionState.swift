// SPDX-License-Identifier: Apache-2.0

/// What compaction remembers and counts. Linux: `compact_*` of /proc/vmstat.
public struct CompactionState: BitwiseCopyable, Sendable {
  public var migrateScannedCount: UInt64 = 0
  public var freeScannedCount: UInt64 = 0
  public var isolatedCount: UInt64 = 0
  public var stallCount: UInt64 = 0
  public var failureCount: UInt64 = 0
  public var successCount: UInt64 = 0
  /// Up to this much, in thousandths, want of memory and not its being scattered is why a request
  /// fails. Linux: `vm.extfrag_threshold`.
  public var threshold: UInt32 = 500
  /// By zone.
  public var zones = InlineArray<4, ZoneDeferral>(repeating: ZoneDeferral())

  public init() {}
}

/// How often a zone is passed over, since compacting it came to nothing.
public struct ZoneDeferral: BitwiseCopyable, Sendable {
  /// Requests since. Linux: `compact_considered`.
  public var consideredCount: UInt32 = 0
  /// One in 2^shift is tried. Linux: `compact_defer_shift`.
  public var shift: UInt8 = 0
  /// The smallest order that failed. Linux: `compact_order_failed`.
  public var failedOrder: UInt8 = 0

  public init() {}

  /// Linux: `COMPACT_MAX_DEFER_SHIFT`.
  public static var largestShift: UInt8 { 6 }
}
