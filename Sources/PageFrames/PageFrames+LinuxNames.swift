// SPDX-License-Identifier: Apache-2.0

import MemoryUnits

// Who types Linux's name finds ours.

extension PageFrames {
  @available(*, unavailable, renamed: "allocate(_:relief:)")
  public func alloc_pages(_ request: FrameRequest, _ order: Order) -> FrameBlock { fatalError() }

  @available(*, unavailable, renamed: "allocate(_:relief:)")
  public func get_free_pages(_ request: FrameRequest, _ order: Order) -> FrameBlock {
    fatalError()
  }

  @available(*, unavailable, message: "allocate(_:relief:) of a request whose content is .zeroed")
  public func get_zeroed_page(_ request: FrameRequest) -> FrameBlock { fatalError() }

  @available(*, unavailable, renamed: "free(_:)")
  public func free_pages(_ block: consuming FrameBlock) { fatalError() }

  @available(*, unavailable, renamed: "allocate(exactly:_:)")
  public func alloc_pages_exact(_ size: ByteCount, _ request: FrameRequest) -> ContiguousFrames {
    fatalError()
  }

  @available(*, unavailable, renamed: "free(_:)")
  public func free_pages_exact(_ range: consuming ContiguousFrames) { fatalError() }

  @available(*, unavailable, renamed: "allocate(_:into:)")
  public func alloc_pages_bulk(_ request: FrameRequest) -> Int { fatalError() }

  @available(*, unavailable, renamed: "split(_:)")
  public func split_page(_ block: consuming FrameBlock) { fatalError() }
}
