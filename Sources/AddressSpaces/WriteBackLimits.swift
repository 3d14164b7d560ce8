// SPDX-License-Identifier: Apache-2.0

import MemoryUnits

/// When dirty pages are written, with Linux's values.
public struct WriteBackLimits: Sendable, BitwiseCopyable {
  /// Percent of the memory that may be dirty before who writes has to wait.
  /// Linux: `vm.dirty_ratio`.
  public var ratio: UInt8 = 20
  /// … before the flusher begins. Linux: `vm.dirty_background_ratio`.
  public var backgroundRatio: UInt8 = 10
  /// Nanoseconds between two rounds of the flusher. Linux: `vm.dirty_writeback_centisecs`.
  public var interval: UInt64 = 5_000_000_000
  /// Nanoseconds after which a dirty page is written. Linux: `vm.dirty_expire_centisecs`.
  public var expiry: UInt64 = 30_000_000_000

  public init() {}
}
