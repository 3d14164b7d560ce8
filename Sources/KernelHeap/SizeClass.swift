// SPDX-License-Identifier: Apache-2.0

/// A size of objects that hold bytes of no type.
///
/// Linux: `kmalloc_info`, `kmalloc_index()`.
struct SizeClass: Equatable, BitwiseCopyable {
  let index: Int
  let byteCount: Int

  static var count: Int { 13 }

  /// The smallest class that holds so many bytes.
  ///
  /// - Precondition: 1 to `SlabGeometry.maximumObjectByteCount`.
  init(holding size: Int) {
    let bits = Int.bitWidth &- ((size &- 1) | 7).leadingZeroBitCount
    if bits == 7 || bits == 8, size <= 3 &<< (bits &- 2) {
      index = bits &* 2 &- 10
      byteCount = 3 &<< (bits &- 2)
    } else {
      index = bits &- (bits > 7 ? 1 : bits > 6 ? 2 : 3)
      byteCount = 1 &<< bits
    }
  }

  /// - Precondition: below `count`.
  init(index: Int) {
    self.index = index
    byteCount =
      index == 4 || index == 6
      ? 3 &<< (index &>> 1 &+ 3) : 1 &<< (index &+ (index > 5 ? 1 : index > 3 ? 2 : 3))
  }

  var cacheIndex: Int { SlabCaches.typeCount + index }

  var name: StaticString {
    switch index {
    case 0: "kmalloc-8"
    case 1: "kmalloc-16"
    case 2: "kmalloc-32"
    case 3: "kmalloc-64"
    case 4: "kmalloc-96"
    case 5: "kmalloc-128"
    case 6: "kmalloc-192"
    case 7: "kmalloc-256"
    case 8: "kmalloc-512"
    case 9: "kmalloc-1k"
    case 10: "kmalloc-2k"
    case 11: "kmalloc-4k"
    default: "kmalloc-8k"
    }
  }
}
