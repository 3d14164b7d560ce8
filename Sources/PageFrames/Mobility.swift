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

  static var count: Int { 3 }

  /// The types to take from when its own has none, in order. Linux: `fallbacks`.
  var fallbacks: (Mobility, Mobility) {
    switch self {
    case .unmovable: (.reclaimable, .movable)
    case .movable: (.reclaimable, .unmovable)
    case .reclaimable: (.unmovable, .movable)
    }
  }
}
