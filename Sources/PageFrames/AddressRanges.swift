// SPDX-License-Identifier: Apache-2.0

/// A run of bytes of physical memory, its end not included.
struct AddressRange: BitwiseCopyable, Equatable {
  var start: UInt64
  var end: UInt64
}

/// Runs of physical memory, sorted, none touching another.
///
/// Linux: `struct memblock_type`.
struct AddressRanges: BitwiseCopyable {
  private(set) var count = 0
  private var ranges = InlineArray<64, AddressRange>(repeating: AddressRange(start: 0, end: 0))

  subscript(index: Int) -> AddressRange { ranges[index] }

  /// Adds a run, melted with those it overlaps or touches.
  ///
  /// - Returns: false, with nothing changed, where there is no room for one more.
  /// - Complexity: O(n).
  mutating func insert(_ range: AddressRange) -> Bool {
    guard range.start < range.end else { return true }
    var merged = range
    var before = 0
    while before < count && ranges[before].end < range.start { before += 1 }
    var after = before
    while after < count && ranges[after].start <= range.end {
      merged.start = min(merged.start, ranges[after].start)
      merged.end = max(merged.end, ranges[after].end)
      after += 1
    }
    guard after > before || count < 64 else { return false }
    replace(before, after, with: merged)
    return true
  }

  /// Puts one run in the place of those from `before` up to `after`, which may be none.
  private mutating func replace(_ before: Int, _ after: Int, with range: AddressRange) {
    if after == before {
      var index = count
      while index > before {
        ranges[index] = ranges[index - 1]
        index -= 1
      }
      count += 1
    } else {
      for index in after..<count { ranges[index - (after - before - 1)] = ranges[index] }
      count -= after - before - 1
    }
    ranges[before] = range
  }
}
