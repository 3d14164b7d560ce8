// SPDX-License-Identifier: Apache-2.0

/// A table of plain values that lives as long as the process: an access is one instruction, and
/// copies are the same table, so that a row's own work does not blur what it measures.
@safe
struct Table<Element: BitwiseCopyable>: BitwiseCopyable, @unchecked Sendable {
  let count: Int
  private let elements: UnsafeMutablePointer<Element>

  init(_ content: [Element]) {
    count = content.count
    // SAFETY: never given back; filled before anybody reads.
    unsafe elements = .allocate(capacity: content.count)
    // SAFETY: as above.
    for place in content.indices { unsafe (elements + place).initialize(to: content[place]) }
  }

  /// - Precondition: the place is below the count; that is not checked.
  @inline(__always)
  subscript(place: Int) -> Element {
    // SAFETY: inside, by the precondition.
    get { unsafe elements[place] }
    nonmutating set { unsafe elements[place] = newValue }
  }
}
