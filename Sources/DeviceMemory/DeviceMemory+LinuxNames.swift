// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import MemoryUnits

// Who types Linux's name finds ours.

extension DeviceMemory {
  @available(*, unavailable, renamed: "allocateCoherent(for:_:)")
  public func dma_alloc_coherent(_ device: Reference<Device>, _ size: ByteCount) { fatalError() }

  @available(*, unavailable, renamed: "freeCoherent(of:_:_:)")
  public func dma_free_coherent(_ device: Reference<Device>, _ size: ByteCount) { fatalError() }

  @available(*, unavailable, message: "map(_:_:_:for:)")
  public func dma_map_single(_ device: Reference<Device>) { fatalError() }

  @available(*, unavailable, message: "unmap(_:_:_:of:)")
  public func dma_unmap_single(_ device: Reference<Device>) { fatalError() }

  @available(*, unavailable, message: "makePool(for:blocks:alignment:boundary:)")
  public func dma_pool_create(_ device: Reference<Device>) { fatalError() }

  @available(*, unavailable, renamed: "allocate(from:)")
  public func dma_pool_alloc(_ pool: Reference<DevicePool>) { fatalError() }
}
