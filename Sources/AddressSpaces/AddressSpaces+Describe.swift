// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import MemoryUnits
import PageTableFormats

extension AddressSpaces {
  /// What /proc/PID/maps says of the area at an address, or of the next one above it.
  ///
  /// - Complexity: O(log areas). A walk over all areas may sleep between two calls.
  public func describeArea(
    of space: Reference<AddressSpace>, from address: VirtualAddress
  ) -> AreaDescription? {
    guard let area = firstArea(in: space, endingAfter: address.page) else { return nil }
    let value = heap[area]
    let isFile = value.file.reference != nil
    return AreaDescription(
      start: value.start.address, end: value.end.address, protection: value.protection,
      attributes: value.attributes, offset: isFile ? value.fileIndex << PageSize.base.shift : 0,
      file: value.file.reference, name: isFile ? .none : name(of: value, in: space),
      maximumProtection: value.maximumProtection, isCommitted: isCommitted(area))
  }

  private func name(
    of area: Area, in space: Reference<AddressSpace>
  ) -> AreaDescription.Name {
    let value = heap[space]
    if area.start.address <= value.breakEnd, area.end.address >= value.breakStart,
      value.breakStart < value.breakEnd
    {
      return .heap
    }
    return area.contains(value.stackStart.page) ? .stack : .none
  }
}
