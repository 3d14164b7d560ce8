// SPDX-License-Identifier: Apache-2.0

/// Whether what is in a frame can be moved or dropped; kept apart, so that large blocks stay free.
///
/// A request is for one of the first three; a page block may be of the others too.
///
/// Linux: `enum migratetype`, with its numbers.
public enum Mobility: UInt8, Sendable, BitwiseCopyable {
  /// Stays where it is: kernel objects, page tables.
  case unmovable = 0
  /// Can be copied elsewhere: pages of programs and files.
  case movable = 1
  /// Can be dropped when asked: caches of kernel objects.
  case reclaimable = 2
  /// Kept for requests of several frames that cannot wait. Linux: `MIGRATE_HIGHATOMIC`.
  case highAtomic = 3
  /// Of a contiguous area, lent to what is movable. Linux: `MIGRATE_CMA`.
  case contiguous = 4
  /// Being emptied: nobody gets what is free there. Linux: `MIGRATE_ISOLATE`.
  case isolated = 5

  /// Beyond the largest number.
  public static var count: Int { 6 }

  /// The ones that a request may have, and that lists of a CPU are of. Linux: `MIGRATE_PCPTYPES`.
  static var requestCount: Int { 3 }

  /// Whether blocks of it merge with blocks of another mobility.
  ///
  /// Linux: `migratetype_is_mergeable()`.
  var isMergeable: Bool { rawValue < 3 }

  /// The types to take from when its own has none, in order. Linux: `fallbacks`.
  ///
  /// - Precondition: one that a request may have.
  var fallbacks: (Mobility, Mobility) {
    switch self {
    case .unmovable: (.reclaimable, .movable)
    case .movable: (.reclaimable, .unmovable)
    case .reclaimable: (.unmovable, .movable)
    default: preconditionFailure("a mobility that no request has")
    }
  }
}

/// Whether frames of each mobility are kept apart.
public enum MobilityGrouping: Sendable, BitwiseCopyable {
  case byMobility
  /// All are taken as movable. Linux: `page_group_by_mobility_disabled`.
  case none
}
