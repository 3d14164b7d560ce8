// SPDX-License-Identifier: Apache-2.0

/// A size of objects that hold bytes of no type.
///
/// Linux: `kmalloc_info`, `kmalloc_index()`.
struct SizeClass: Equatable, BitwiseCopyable {
  let index: Int

  init(index: Int) { self.index = index }

  static var count: Int { 13 }

  /// The smallest class that holds so many bytes, nil beyond the largest.
  ///
  /// - Precondition: not 0.
  init?(holding byteCount: Int) {
    if byteCount > SlabGeometry.maximumObjectByteCount { return nil }
    let bits = Int.bitWidth - (byteCount - 1).leadingZeroBitCount
    switch byteCount {
    case ...8: index = 0
    case 9...64: index = bits - 3
    case 65...96: index = 4
    case 97...128: index = 5
    case 129...192: index = 6
    default: index = bits - 1
    }
  }

  var byteCount: Int {
    switch index {
    case 0...3: 8 << index
    case 4: 96
    case 5: 128
    case 6: 192
    default: 2 << index
    }
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
