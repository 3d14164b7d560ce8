// SPDX-License-Identifier: Apache-2.0

import MemoryUnits
import PageFrames

/// What a cache that was made while the machine runs is like.
struct CachePlan: BitwiseCopyable {
  let name: StaticString
  /// What an object holds.
  let byteCount: Int
  let alignment: Int
  /// The bytes from one object to the next.
  let stride: Int
  /// Where a free object says which is the next: behind one that keeps its bytes.
  let linkOffset: Int?
  let mobility: Mobility
  let constructs: Bool
  let isMergeable: Bool

  init(_ request: CacheRequest, _ alignment: Int, constructs: Bool) {
    let size = (Int(truncatingIfNeeded: request.byteCount.value) + 7) & ~7
    name = request.name
    byteCount = size
    self.alignment = alignment
    stride = (size + (constructs ? 8 : 0) + alignment - 1) & ~(alignment - 1)
    linkOffset = constructs ? size : nil
    mobility = request.reclaim == .reclaimable ? .reclaimable : .unmovable
    self.constructs = constructs
    isMergeable = !constructs && request.merging == .allowed
  }
}
