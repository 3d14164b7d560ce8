// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import Machine
import MemoryEvents
import MemoryUnits

extension AddressSpaces {
  /// The stack above a page, grown to include it; nil if there is none or it may not grow.
  ///
  /// - Context: fault; does not sleep. Linux: `expand_stack()`.
  func grownStack(
    in space: Reference<AddressSpace>, to page: PageNumber
  ) -> Reference<Area>? {
    guard let stack = firstArea(in: space, endingAfter: page),
      heap[stack].attributes.contains(.growsDown), page >= Self.lowestPage
    else { return nil }
    let end = heap[stack].end
    guard (end - page).bytes <= heap[space].stackLimit else { return nil }
    if let below = area(before: stack), heap[below].end.value > page.value
      || (page - heap[below].end) < Self.stackGuard
    {
      return nil
    }
    let growth = heap[stack].start - page
    guard heap[space].pageCount + growth <= heap[space].pageLimit else { return nil }
    let isLocked = heap[stack].attributes.contains(.locked)
    guard !isLocked || mayLock(growth, in: space) else { return nil }
    resize(stack, start: page, end: end)
    countPages(growth, in: space)
    if isLocked { heap[space].lockedPageCount += growth }
    memory.value.committedPageCount += growth
    record(.faultStackGrowth, value: page.address.value)
    return stack
  }
}
