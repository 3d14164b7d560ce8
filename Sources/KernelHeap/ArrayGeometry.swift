// SPDX-License-Identifier: Apache-2.0

import MemoryUnits

/// How a cache cuts slabs into objects where CPUs keep arrays of them (`HeapDesign.slab`).
///
///     colour │ object │ object │ … │ numbers of the objects, free ones last
///
/// The numbers lie in a free object where they fit into one, and it is given out last. Else they
/// lie at the slab's end.
///
/// Linux 6.1: `calculate_slab_order()`, `set_objfreelist_slab_cache()`, `enable_cpucache()` of
/// mm/slab.c.
public struct ArrayGeometry: Equatable, BitwiseCopyable, Sendable {
  /// The bytes from one object to the next: a multiple of 8, 16 at least.
  public let objectByteCount: Int
  public let order: Order
  /// At most 256.
  public let objectsPerSlab: Int
  /// The numbers of free objects lie in one of them.
  public let keepsNumbersInObject: Bool
  /// A slab begins so many bytes later than the one before. Linux: `cachep->colour_off`.
  public let colourByteCount: Int
  /// So many slabs in turn begin at other cache lines. Linux: `cachep->colour`.
  public let colourCount: Int
  /// The most that a CPU's array holds.
  public let limit: Int

  /// - Precondition: the size is 1 to four times `SlabGeometry.maximumObjectByteCount`.
  public init(
    objectByteCount: Int, alignment: Int = 8, isReclaimable: Bool = false,
    keepsContents: Bool = false
  ) {
    precondition(objectByteCount > 0, "no object of a slab")
    let size = max((objectByteCount + alignment - 1) & ~(alignment - 1), 16)
    let within = Self.cut(size, 0, isReclaimable)
    keepsNumbersInObject = !keepsContents && within.count <= size
    let chosen = keepsNumbersInObject ? within : Self.cut(size, 1, isReclaimable)
    self.objectByteCount = size
    order = chosen.order
    objectsPerSlab = chosen.count
    colourByteCount = max(Self.lineByteCount, alignment)
    colourCount = min(chosen.rest / colourByteCount, Self.maximumColourCount)
    limit = Self.limit(size)
  }

  /// Moved between array and slabs at a time. Linux: `cachep->batchcount`.
  public var batchCount: Int { (limit + 1) / 2 }

  /// Linux: `cache_line_size()`.
  static var lineByteCount: Int { 64 }

  /// As many as a slab's word can tell.
  static var maximumColourCount: Int { 31 }

  /// More free objects than that give their slabs back. Linux: `n->free_limit`.
  func freeLimit(cpuCount: Int) -> Int { (1 + cpuCount) * batchCount + objectsPerSlab }

  /// The smallest order, up to 1, that leaves an eighth at most behind the last object.
  private static func cut(
    _ size: Int, _ numberByteCount: Int, _ isReclaimable: Bool
  ) -> (order: Order, count: Int, rest: Int) {
    var order = Order.zero
    while true {
      let bytes = Int(order.pageCount.bytes.value)
      let count = bytes / (size + numberByteCount)
      let rest = bytes - count * (size + numberByteCount)
      let isLast = order.value >= 1 || isReclaimable || rest * 8 <= bytes
      if count > 0 && isLast { return (order, count, rest) }
      order = Order(order.value + 1)
    }
  }

  private static func limit(_ size: Int) -> Int {
    switch size {
    case 131_073...: 1
    case 4097...: 8
    case 1025...: 24
    case 257...: 54
    default: 120
    }
  }
}

extension SlabWord {
  // The word of a slab with colours, under the same cache and number of objects in use:
  //
  //     │ 0 │ holder (8) │ colour (5) │ in use (11) │ cache (7) │

  init(cacheIndex: Int, colour: Int, holder: Int) {
    self.init(
      raw: UInt32(truncatingIfNeeded: cacheIndex | colour << 18 | holder << 23))
  }

  /// What lies before the first object, in `ArrayGeometry.colourByteCount`.
  var colour: Int { Int(raw >> 18 & 0x1F) }

  /// The object that holds the numbers of the free ones, while one is free.
  var holder: Int { Int(raw >> 23 & 0xFF) }

  func holding(_ holder: Int) -> SlabWord {
    SlabWord(raw: raw & ~(0xFF << 23) | UInt32(truncatingIfNeeded: holder) << 23)
  }

  func using(_ count: Int) -> SlabWord {
    SlabWord(raw: raw & ~(0x7FF << 7) | UInt32(truncatingIfNeeded: count) << 7)
  }
}
