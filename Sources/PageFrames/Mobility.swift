// SPDX-License-Identifier: Apache-2.0

/// Whether what is in a frame can be moved or dropped; kept apart, so that large blocks stay free.
///
/// Linux: `enum migratetype`, with its numbers.
public enum Mobility: UInt8, Sendable, BitwiseCopyable {
  /// Stays where it is: kernel objects, page tables.
  case unmovable = 0
  /// Can be copied elsewhere: pages of programs and files.
  case movable = 1
  /// Can be dropped when asked: caches of kernel objects.
  case reclaimable = 2
  /// Of page blocks alone: a contiguous area's, which movable memory borrows. Linux: `MIGRATE_CMA`.
  case contiguous = 4
  /// Of page blocks alone: nothing is allocated there now. Linux: `MIGRATE_ISOLATE`.
  case isolated = 5

  /// Beyond the largest number.
  static var count: Int { 6 }

  /// The types to take from when its own has none, in order. Linux: `fallbacks`.
  ///
  /// - Precondition: one that a request may have.
  var fallbacks: (Mobility, Mobility) {
    switch self {
    case .unmovable: (.reclaimable, .movable)
    case .movable: (.reclaimable, .unmovable)
    case .reclaimable: (.unmovable, .movable)
    case .contiguous, .isolated: preconditionFailure("a mobility that nobody can ask for")
    }
  }

  /// Whether free blocks of page blocks of two such types may become one.
  ///
  /// Linux: `migratetype_is_mergeable()`.
  var isMergeable: Bool { rawValue <= Mobility.reclaimable.rawValue }
}
