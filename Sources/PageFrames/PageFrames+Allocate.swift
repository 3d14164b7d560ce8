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
  @inline(__always)  // For single frames: a pair is 140 instructions so, 218 as a call.
  public func allocate(_ request: FrameRequest) throws(AllocationError) -> FrameBlock {
    if request.order == .zero && state.value.servesFromLists {
      if let first = takeReady(request, .zero) { return handOut(first, .zero, request) }
    }
    return try allocateBlock(request)
  }

  /// Allocates a block, and lets somebody free memory as long as there is none.
  ///
  /// Linux: `__alloc_pages_slowpath()`.
  ///
  /// - Throws: `outOfMemory` once the relief made no progress; then it is in the log.
  /// - Context: no lock held, except the kernel's, which the relief may release.
  public func allocate<R: PressureRelief>(
    _ request: FrameRequest, relief: R
  ) throws(AllocationError) -> FrameBlock {
    while true {
      do throws(AllocationError) {
        return try allocate(request)
      } catch {
        guard error == .outOfMemory else { throw error }
        let shortfall = Shortfall(
          order: request.order, zoneLimit: request.zoneLimit, kind: request.kind)
        if relief.relieve(shortfall) == .none {
          machine.record(MemoryEvent(.allocationFailed, detail: UInt16(request.order.value)))
          throw error
        }
      }
    }
  }

  /// Takes a block of this CPU's lists. Linux: `rmqueue_pcplist()`.
  @inline(__always)  // Of the fast path.
  private func takeReady(_ request: FrameRequest, _ order: Order) -> PageFrameNumber? {
    let (zone, mobility) = (state.value.preferred[request.zoneLimit.index], mobility(of: request))
    let table = table
    return state.value.cpus[Int(machine.currentCPU.value)].withLock {
      (lists: inout CPUFrameLists) in
      guard let first = lists.zones[zone.index].pop(order, mobility, in: table) else { return nil }
      Self.take(first, order, as: request.kind, in: table)
      return first
    }
  }

  /// Makes a block that is on no list any more somebody's. Of a free one's descriptor all that is
  /// not written here is 0 already.
  @inline(__always)  // Of the fast path.
  private static func take(
    _ first: PageFrameNumber, _ order: Order, as kind: FrameKind, in table: FrameTable
  ) {
    table[first].next = 0
    table[first].previous = 0
    table[first].references = 1
    table[first].kindAndOrder = FrameDescriptor.pack(kind, order)
    table[first].flagsAndZone &= FrameFlags.zoneMask
  }

  /// Gives the caller a block that was taken.
  @inline(__always)  // Of the fast path.
  private func handOut(
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
    if request.order <= CPUZoneLists.largestOrder && !state.value.isInjecting {
      if let first = takeReady(request, request.order) {
        return handOut(first, request.order, request)
      }
    }
    let first = try takeFromZones(request)
    Self.take(first, request.order, as: request.kind, in: table)
    return handOut(first, request.order, request)
  }

  private func mobility(of request: FrameRequest) -> Mobility {
    state.value.groupsByMobility ? request.mobility : .movable
  }

  /// Linux: `get_page_from_freelist()`, `drain_all_pages()`, and once more.
  private func takeFromZones(_ request: FrameRequest) throws(AllocationError) -> PageFrameNumber {
    if shouldFail(request) { throw .injected }
    if let block = tryZones(request) { return block }
    drainCPULists()
    if let block = tryZones(request) { return block }
    throw .outOfMemory
  }

  private func tryZones(_ request: FrameRequest) -> PageFrameNumber? {
    var index = request.zoneLimit.index
    while index >= 0 {
      if state.value.zones[index].managed.value > 0 {
        if let block = tryZone(index, request) { return block }
      }
      index -= 1
    }
    return nil
  }

  private func tryZone(_ index: Int, _ request: FrameRequest) -> PageFrameNumber? {
    let mobility = mobility(of: request)
    guard request.order <= CPUZoneLists.largestOrder else {
      return takeFromLists(index, request, mobility)
    }
    let list = CPUZoneLists.list(request.order, mobility)
    let cpu = Int(machine.currentCPU.value)
    return state.value.cpus[cpu].withLock { (lists: inout CPUFrameLists) -> PageFrameNumber? in
      refill(&lists.zones[index], list, from: index, request, mobility)
    }
  }

  /// Moves a batch from a zone to this CPU's list, keeping the first block for the caller.
  ///
  /// Linux: `rmqueue_bulk()`.
  private func refill(
    _ cpuLists: inout CPUZoneLists, _ list: Int, from index: Int, _ request: FrameRequest,
    _ mobility: Mobility
  ) -> PageFrameNumber? {
    let zone = state.value.zones[index]
    let floor = zone.floor(for: request)
    let wanted = cpuLists.refillCount(request.order)
    return zone.lists.withLock { (lists: inout BuddyLists) -> PageFrameNumber? in
      guard Self.mayTake(request.order, mobility, of: lists, above: floor) else { return nil }
      // The lists of the CPU may have been filled for a lower zone's sake meanwhile.
      if let ready = cpuLists.pop(request.order, mobility, in: table) { return ready }
      guard
        let run = lists.allocateRun(request.order, mobility, atMost: max(wanted, 1), in: table)
      else { return nil }
      let zone = lists.zone
      var missing = wanted - run.count
      if run.count > 1 { cpuLists.append(run.withoutFirst, list, zone, in: table) }
      while missing > 0,
        let more = lists.allocateRun(request.order, mobility, atMost: missing, in: table)
      {
        cpuLists.append(more, list, zone, in: table)
        missing -= more.count
      }
      return run.first
    }
  }

  private func takeFromLists(
    _ index: Int, _ request: FrameRequest, _ mobility: Mobility
  ) -> PageFrameNumber? {
    let zone = state.value.zones[index]
    let floor = zone.floor(for: request)
    return zone.lists.withLock { (lists: inout BuddyLists) -> PageFrameNumber? in
      guard Self.mayTake(request.order, mobility, of: lists, above: floor) else { return nil }
      return lists.allocate(request.order, mobility, in: table)
    }
  }

  /// Whether a zone has frames to spare. Linux: `__zone_watermark_ok()`.
  private static func mayTake(
    _ order: Order, _ mobility: Mobility, of lists: BuddyLists, above floor: Int?
  ) -> Bool {
    guard let floor else { return true }
    // What lies in contiguous areas is there for movable memory alone.
    let others = mobility == .movable ? 0 : lists.freeContiguousCount.value
    return lists.freePageCount.value - others - (order.pageCount.value - 1) > floor
  }

  @inline(never)
  private func clear(_ first: PageFrameNumber, _ order: Order) {
    for index in 0..<order.pageCount.value {
      machine.withBytes(of: first + PageCount(index)) { (bytes: MemoryBlock) in bytes.clear() }
    }
  }
}
