// SPDX-License-Identifier: Apache-2.0

import MemoryUnits
import PageFrames

// Who types Linux's name finds ours.

extension ContiguousMemory {
  @available(*, unavailable, renamed: "allocate(_:kind:fromArea:alignment:)")
  public func cma_alloc(_ area: Int, _ count: PageCount, _ alignment: Order) -> ContiguousFrames {
    fatalError()
  }

  @available(*, unavailable, renamed: "free(_:toArea:)")
  public func cma_release(_ area: Int, _ frames: consuming ContiguousFrames) { fatalError() }
}
