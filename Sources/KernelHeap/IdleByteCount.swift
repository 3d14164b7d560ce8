// SPDX-License-Identifier: Apache-2.0

import Machine
import Synchronization

/// The bytes of free objects that wait in the depots of all caches.
struct IdleByteCount: BitwiseCopyable {
  struct Contents: ~Copyable {
    let value = Atomic<Int>(0)
  }

  private let contents: Resident<Contents>

  init(in block: MemoryBlock) { contents = Resident(placing: Contents(), in: block) }

  var value: Int { contents.value.value.load(ordering: .relaxed) }

  /// Adds to the count unless that is more than the limit then; says whether it did.
  func add(_ byteCount: Int, upTo limit: Int) -> Bool {
    let sum = contents.value.value.wrappingAdd(byteCount, ordering: .relaxed).newValue
    if sum <= limit { return true }
    subtract(byteCount)
    return false
  }

  func subtract(_ byteCount: Int) {
    contents.value.value.wrappingSubtract(byteCount, ordering: .relaxed)
  }
}
