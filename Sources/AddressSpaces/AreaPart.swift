// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import Machine
import MemoryUnits

/// A part of an area, up to the area's end, and what of a file is shared there.
public struct AreaPart: BitwiseCopyable {
  public let start: VirtualAddress
  public let end: VirtualAddress
  /// Nil of private and anonymous memory.
  public let file: Reference<CachedFile>?
  /// The index in the file of the page at `start`.
  public let index: UInt64
  public let isLocked: Bool
}

extension AddressSpaces {
  /// What is mapped at an address, or at the first one behind it that is mapped. Context: any.
  public func areaPart(
    of space: Reference<AddressSpace>, from address: VirtualAddress
  ) -> AreaPart? {
    guard let area = firstArea(in: space, endingAfter: address.page) else { return nil }
    let start = max(address.page, heap[area].start)
    return AreaPart(
      start: start.address, end: heap[area].end.address,
      file: heap[area].isPrivate ? nil : heap[area].file.reference,
      index: heap[area].index(of: start),
      isLocked: heap[area].attributes.contains(.locked))
  }
}
