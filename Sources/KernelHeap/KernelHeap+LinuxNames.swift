// SPDX-License-Identifier: Apache-2.0

import MemoryUnits

// Who types Linux's name finds ours.

extension KernelHeap {
  @available(*, unavailable, renamed: "allocate(_:)")
  public func kmalloc(_ byteCount: ByteCount) -> HeapBlock { fatalError() }

  @available(*, unavailable, message: "allocate(_:content: .zeroed)")
  public func kzalloc(_ byteCount: ByteCount) -> HeapBlock { fatalError() }

  @available(*, unavailable, renamed: "allocateArray(of:each:)")
  public func kmalloc_array(_ count: Int, _ byteCount: ByteCount) -> HeapBlock { fatalError() }

  @available(*, unavailable, message: "allocateArray(of:each:content: .zeroed)")
  public func kcalloc(_ count: Int, _ byteCount: ByteCount) -> HeapBlock { fatalError() }

  @available(*, unavailable, renamed: "reallocate(at:to:)")
  public func krealloc(_ address: PhysicalAddress, _ byteCount: ByteCount) -> HeapBlock {
    fatalError()
  }

  @available(*, unavailable, renamed: "free(_:)")
  public func kfree(_ block: consuming HeapBlock) { fatalError() }

  @available(*, unavailable, message: "HeapBlock.byteCount")
  public func ksize(_ block: borrowing HeapBlock) -> ByteCount { fatalError() }
}

extension ObjectHeap {
  @available(*, unavailable, message: "makeCache(_:), or conform the type to HeapObject")
  public func kmem_cache_create<T: HeapObject>(_ type: T.Type) { fatalError() }

  @available(*, unavailable, renamed: "destroy(_:)")
  public func kmem_cache_destroy(_ cache: ObjectCache<NoConstructor>) { fatalError() }

  @available(*, unavailable, renamed: "allocate(_:into:)")
  public func kmem_cache_alloc_bulk() { fatalError() }

  @available(*, unavailable, message: "free(_:) of a span of links")
  public func kmem_cache_free_bulk() { fatalError() }

  @available(*, unavailable, renamed: "allocate(_:)")
  public func kmem_cache_alloc<T: HeapObject>(_ initial: T) -> Reference<T> { fatalError() }

  @available(*, unavailable, renamed: "free(_:)")
  public func kmem_cache_free<T: HeapObject>(_ reference: Reference<T>) { fatalError() }

  @available(*, unavailable, renamed: "shrink()")
  public func kmem_cache_shrink() { fatalError() }
}
