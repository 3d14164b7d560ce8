// SPDX-License-Identifier: Apache-2.0

/// Somebody who keeps objects only because there was memory for them.
///
/// Linux: `struct shrinker`.
public protocol Shrinker {
  /// The objects that could go now. Linux: `count_objects()`.
  var freeableCount: Int { get }
  /// What an object costs to make again, 2 for a seek of a disk; 0 for nothing. Linux: `seeks`.
  var seekCount: Int { get }
  /// Lets so many objects go at most, and says how many went; nil where none can now.
  ///
  /// Linux: `scan_objects()`, `SHRINK_STOP`.
  func free(_ count: Int) -> Int?
}

/// What is remembered of a shrinker between its calls. Linux: `shrinker->nr_deferred`.
public struct ShrinkerState: BitwiseCopyable, Sendable {
  /// Objects that were to be looked at and were not.
  public private(set) var deferredCount = 0
  /// Objects that were ever looked at. Linux: `slabs_scanned`.
  public private(set) var scannedCount: UInt64 = 0

  public init() {}

  /// Asks for that share of the objects that the priority says: half of all at 1, and so on.
  ///
  /// Linux: `do_shrink_slab()`.
  ///
  /// - Returns: the objects that went.
  /// - Context: as the shrinker's `free`.
  public mutating func shrink<S: Shrinker>(_ shrinker: S, priority: Int) -> Int {
    let freeable = shrinker.freeableCount
    if freeable <= 0 { return 0 }
    let deferred = deferredCount
    let seeks = shrinker.seekCount
    let share = seeks > 0 ? (freeable >> priority) * 4 / seeks : freeable / 2
    var missing = min((deferred >> priority) + share, 2 * freeable)
    var looked = 0
    var freed = 0
    while missing >= Self.batchCount || missing >= freeable {
      let count = min(Self.batchCount, missing)
      guard count > 0, let gone = shrinker.free(count) else { break }
      freed += gone
      looked += count
      missing -= count
    }
    scannedCount &+= UInt64(looked)
    deferredCount = min(max(deferred + share - looked, 0), 2 * freeable)
    return freed
  }

  /// Linux: `SHRINK_BATCH`.
  public static var batchCount: Int { 128 }
  /// Where reclaim begins, and a share is a 4096th. Linux: `DEF_PRIORITY`.
  public static var firstPriority: Int { 12 }
}
