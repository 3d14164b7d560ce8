// SPDX-License-Identifier: Apache-2.0

import MemoryUnits
import PageFrames

/// How a cache cuts slabs into objects, by Linux's formulas.
///
/// A slab is a block of frames of one order. The order is large enough for several objects per
/// CPU, so that the page allocator is asked rarely, and leaves little behind the last object.
///
/// Linux: `calculate_order()`, `calculate_sizes()`, `set_cpu_partial()` of mm/slub.c.
public struct SlabGeometry: Equatable, BitwiseCopyable, Sendable {
  /// The bytes from one object to the next: a multiple of 8.
  public let objectByteCount: Int
  /// The order of slabs. Linux: `oo_order(s->oo)`.
  public let order: Order
  /// The order that is tried when there is no memory for `order`. Linux: `oo_order(s->min)`.
  public let minimumOrder: Order
  /// Where the frames come from. Linux: `SLAB_RECLAIM_ACCOUNT`.
  var mobility = Mobility.unmovable

  /// - Precondition: the object's size is 1 to `maximumObjectByteCount`.
  public init(objectByteCount: Int, cpuCount: Int) {
    precondition(
      (1...Self.maximumObjectByteCount).contains(objectByteCount), "no object of a slab")
    self.init(watchedByteCount: objectByteCount, cpuCount: cpuCount, freeLinkOffset: nil)
  }

  /// With what is watched around each object, which may be three times the largest; the free
  /// link may lie beside the object.
  init(watchedByteCount: Int, cpuCount: Int, freeLinkOffset: Int?) {
    objectByteCount = (watchedByteCount + 7) & ~7
    order = Self.order(of: objectByteCount, cpuCount: cpuCount)
    minimumOrder = Self.smallestOrder(holding: objectByteCount)
    self.freeLinkOffset = freeLinkOffset ?? Self.freeLinkOffset(objectByteCount)
  }

  /// Larger ones come from the page allocator. Linux: `KMALLOC_MAX_CACHE_SIZE`.
  public static var maximumObjectByteCount: Int { 8192 }

  public var objectsPerSlab: Int { objectCount(order) }

  /// The objects that a slab of an order holds.
  public func objectCount(_ order: Order) -> Int {
    Self.slabByteCount(order) / objectByteCount
  }

  /// The link to the next free object lies in the middle of a free one, where a neighbour that
  /// runs over its end does not reach it. Linux: `s->offset`.
  public let freeLinkOffset: Int

  static func freeLinkOffset(_ objectByteCount: Int) -> Int { (objectByteCount >> 1) & ~7 }

  /// Empty slabs beyond so many partial ones are given back. Linux: `s->min_partial`.
  public var minimumPartialCount: Int {
    min(max((Int.bitWidth - 1 - objectByteCount.leadingZeroBitCount) / 2, 5), 10)
  }

  /// The free objects that a CPU keeps at hand. Linux: `s->cpu_partial`.
  public var cpuObjectCount: Int {
    switch objectByteCount {
    case 4096...: 6
    case 1024...: 24
    case 256...: 52
    default: 120
    }
  }

  /// The most that one list of a CPU's two holds: not less than a slab, so that a list that was
  /// a whole one is not over its limit at once.
  var cpuListLimit: UInt32 { UInt32(max(cpuObjectCount / 2, objectsPerSlab)) }

  /// The bytes of the objects of a full list.
  var listByteCount: Int { Int(cpuListLimit) * objectByteCount }

  /// Linux: `calculate_order()`.
  private static func order(of size: Int, cpuCount: Int) -> Order {
    let bitsOfCount = Int.bitWidth - cpuCount.leadingZeroBitCount
    let largest = Order(3)
    let objectCount = min(4 * (bitsOfCount + 1), max(slabByteCount(largest) / size, 1))
    let smallest = smallestOrder(holding: objectCount * size)
    var fraction = 16
    while fraction > 1 {
      var value = smallest.value
      while value <= largest.value {
        let bytes = slabByteCount(Order(value))
        if bytes % size <= bytes / fraction { return Order(value) }
        value += 1
      }
      fraction /= 2
    }
    return smallestOrder(holding: size)
  }

  private static func slabByteCount(_ order: Order) -> Int {
    Int(order.pageCount.bytes.value)
  }

  /// Linux: `get_order()`.
  private static func smallestOrder(holding byteCount: Int) -> Order {
    Order(holding: ByteCount(UInt64(byteCount)).pagesRoundedUp) ?? Order.max
  }
}
