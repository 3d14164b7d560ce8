// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryEvents
import MemoryUnits

extension PageFrames {
  /// Allocates a block: from this CPU's lists, otherwise from the zones that the request may use,
  /// the highest first, under their marks.
  ///
  /// Linux: `alloc_pages()` without `__GFP_DIRECT_RECLAIM`, `get_page_from_freelist()`.
  ///
  /// - Throws: `outOfMemory`, also after the CPUs' lists were given back.
  /// - Complexity: O(1) mostly.
  /// - Context: any; never sleeps; takes list and zone locks.
  @inline(__always)  // For single frames: a pair is 145 instructions so, 220 as a call.
  public func allocate(_ request: FrameRequest) throws(AllocationError) -> FrameBlock {
    if request.content == .zeroed, request.mobility == .unmovable,
      let block = takeZeroed(request)
    {
      return block
    }
    if let block = allocateReady(request) { return block }
    return try allocateBlock(request)
  }

  /// A frame that was given back by `freeZeroed` and need not be cleared, if one is asked for and
  /// there is one.
  @inline(never)  // Out of the fast path's registers.
  private func takeZeroed(_ request: FrameRequest) -> FrameBlock? {
    guard request.order == .zero, state.value.servesFromLists else { return nil }
    let (table, zone) = (table, state.value.preferred[request.zoneLimit.index].index)
    let first = ownLists.withLock { (lists: inout CPUFrameLists) -> PageFrameNumber? in
      guard let first = lists.zones[zone].popZeroed(in: table) else { return nil }
      Self.take(first, .zero, as: request.kind, in: table)
      return first
    }
    guard let first else { return nil }
    return handOut(first, .zero, FrameRequest(kind: request.kind))
  }

  /// A single frame of this CPU's lists, if one is asked for and there is one.
  @inline(__always)  // Of the fast path.
  func allocateReady(_ request: FrameRequest) -> FrameBlock? {
    guard request.order == .zero, state.value.servesFromLists,
      let first = takeReady(request, .zero)
    else { return nil }
    return handOut(first, .zero, request)
  }

  /// Takes a block of this CPU's lists. Linux: `rmqueue_pcplist()`.
  @inline(__always)  // Of the fast path.
  private func takeReady(_ request: FrameRequest, _ order: Order) -> PageFrameNumber? {
    let (zone, mobility) = (state.value.preferred[request.zoneLimit.index], mobility(of: request))
    let table = table
    return ownLists.withLock {
      (lists: inout CPUFrameLists) in
      // Masked, so that it need not be checked.
      let zone = zone.index & (ZoneKind.count - 1)
      guard let first = lists.zones[zone].pop(order, mobility, in: table) else { return nil }
      Self.take(first, order, as: request.kind, in: table)
      return first
    }
  }

  /// Makes a block that is on no list any more somebody's. Of a free one's descriptor all that is
  /// not written here is 0 already.
  @inline(__always)  // Of the fast path.
  static func take(
    _ first: PageFrameNumber, _ order: Order, as kind: FrameKind, in table: FrameTable
  ) {
    table[first].next = 0
    table[first].previous = 0
    table[first].references = 1
    table[first].privateWord = 0
    table[first].kindAndOrder = FrameDescriptor.pack(kind, order)
    table[first].flagsAndZone &= FrameFlags.zoneMask
  }

  /// Gives the caller a block that was taken.
  @inline(__always)  // Of the fast path.
  func handOut(
    _ first: PageFrameNumber, _ order: Order, _ request: FrameRequest
  ) -> FrameBlock {
    if request.content == .zeroed { clear(first, order) }
    machine.record(
      MemoryEvent(
        .frameAllocated, detail: UInt16(request.kind.rawValue) << 8 | UInt16(order.value),
        frame: first.value))
    return FrameBlock(first, order)
  }

  /// What `allocate` does for larger blocks, and where the CPU's lists have none.
  @inline(never)  // Out of the fast path's registers.
  func allocateBlock(_ request: FrameRequest) throws(AllocationError) -> FrameBlock {
    if request.order <= CPUZoneLists.largestOrder && state.value.servesFromLists {
      if let first = takeReady(request, request.order) {
        return handOut(first, request.order, request)
      }
    }
    let first = try takeFromZones(request)
    Self.take(first, request.order, as: request.kind, in: table)
    return handOut(first, request.order, request)
  }

  func mobility(of request: FrameRequest) -> Mobility {
    state.value.groupsByMobility ? request.mobility : .movable
  }

  @inline(never)
  private func clear(_ first: PageFrameNumber, _ order: Order) {
    for index in 0..<order.pageCount.value {
      machine.withBytes(of: first + PageCount(index)) { (bytes: MemoryBlock) in bytes.clear() }
    }
  }
}
