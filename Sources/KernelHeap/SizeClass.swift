// SPDX-License-Identifier: Apache-2.0

/// A size of objects that hold bytes of no type.
///
/// Up to 64 bytes one for each eight, above that four from each power of two to the next: so a
/// ninth of what objects of all sizes hold is not asked for. Linux's 13 leave a third.
///
/// Linux: `kmalloc_info`, `kmalloc_index()`.
struct SizeClass: Equatable, BitwiseCopyable {
  let index: Int
  let byteCount: Int

  static var count: Int { 36 }
  /// The classes that are eight bytes apart.
  private static var smallCount: Int { 8 }

  /// The smallest class that holds so many bytes.
  ///
  /// - Precondition: 1 to `SlabGeometry.maximumObjectByteCount`.
  init(holding size: Int) {
    let last = size &- 1
    if last < 64 {
      index = last &>> 3
      byteCount = (index &+ 1) &<< 3
    } else {
      let shift = Int.bitWidth &- 3 &- last.leadingZeroBitCount
      // 4 to 7: the two bits after the highest.
      let quarters = last &>> shift
      index = shift &* 4 &+ quarters &- 12
      byteCount = (quarters &+ 1) &<< shift
    }
  }

  /// - Precondition: below `count`.
  init(index: Int) {
    self.index = index
    byteCount =
      index < Self.smallCount
      ? (index &+ 1) &<< 3 : (index & 3 &+ 5) &<< (index &>> 2 &+ 2)
  }

  var cacheIndex: Int { SlabCaches.typeCount &+ index }

  /// The class of a cache.
  ///
  /// - Precondition: it is one of a class.
  init(cacheIndex: Int) { self.init(index: cacheIndex &- SlabCaches.typeCount) }

  /// The sizes that are told apart, 8 bytes from each other.
  static var tableCount: Int { SlabGeometry.maximumObjectByteCount / 8 }

  /// Linux's where it has the size, and made like them where it has not.
  var name: StaticString {
    switch index {
    case 0: "kmalloc-8"
    case 1: "kmalloc-16"
    case 2: "kmalloc-24"
    case 3: "kmalloc-32"
    case 4: "kmalloc-40"
    case 5: "kmalloc-48"
    case 6: "kmalloc-56"
    case 7: "kmalloc-64"
    case 8: "kmalloc-80"
    case 9: "kmalloc-96"
    case 10: "kmalloc-112"
    case 11: "kmalloc-128"
    case 12: "kmalloc-160"
    case 13: "kmalloc-192"
    case 14: "kmalloc-224"
    case 15: "kmalloc-256"
    case 16: "kmalloc-320"
    case 17: "kmalloc-384"
    case 18: "kmalloc-448"
    case 19: "kmalloc-512"
    case 20: "kmalloc-640"
    case 21: "kmalloc-768"
    case 22: "kmalloc-896"
    case 23: "kmalloc-1k"
    case 24: "kmalloc-1280"
    case 25: "kmalloc-1536"
    case 26: "kmalloc-1792"
    case 27: "kmalloc-2k"
    case 28: "kmalloc-2560"
    case 29: "kmalloc-3k"
    case 30: "kmalloc-3584"
    case 31: "kmalloc-4k"
    case 32: "kmalloc-5k"
    case 33: "kmalloc-6k"
    case 34: "kmalloc-7k"
    default: "kmalloc-8k"
    }
  }
}
