// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryEvents
import MemoryUnits

/// The way of an allocation that finds nothing in this CPU's lists.
extension PageFrames {
  /// Linux: `get_page_from_freelist()`, `drain_all_pages()`, and once more.
  func takeFromZones(_ request: FrameRequest) throws(AllocationError) -> PageFrameNumber {
    if shouldFail(request) { throw .injected }
    if state.value.debugging.watchesFrames { return try takeWatched(request) }
    return try takeUnwatched(request)
  }

  func takeUnwatched(_ request: FrameRequest) throws(AllocationError) -> PageFrameNumber {
    let rules = request.rules
    if keepsApart(request), let block = tryZones(request, rules.union(.keepsApart)) {
      return block
    }
    if let block = tryZones(request, rules) { return block }
    drainCPULists()
    lowerBoosts(below: request.zoneLimit)
    if let block = tryZones(request, rules) { return block }
    if !request.flags.contains(.mayWait) { report(request) }
    throw .outOfMemory
  }

  /// Whether the next zone is tried before mobilities are mixed in the preferred one.
  ///
  /// Linux: `alloc_flags_nofragment()`.
  private func keepsApart(_ request: FrameRequest) -> Bool {
    state.value.preferred[request.zoneLimit.index] == .normal
      && state.value.zones[ZoneKind.dma32.index].managed > .zero
  }

  private func tryZones(
    _ request: FrameRequest, _ rules: AllocationRules
  ) -> PageFrameNumber? {
    var index = request.zoneLimit.index
    while index >= 0 {
      if state.value.zones[index].managed.value > 0 {
        if let block = tryZone(index, request, rules) { return block }
      }
      index -= 1
    }
    return nil
  }

  private func tryZone(
    _ index: Int, _ request: FrameRequest, _ rules: AllocationRules
  ) -> PageFrameNumber? {
    let mobility = mobility(of: request)
    guard request.order <= CPUZoneLists.largestOrder else {
      return takeFromLists(index, request, rules, mobility)
    }
    let list = CPUZoneLists.list(request.order, mobility)
    let cpu = Int(machine.currentCPU.value)
    return state.value.cpus[cpu].withLock { (lists: inout CPUFrameLists) -> PageFrameNumber? in
      refill(&lists.zones[index], list, from: index, request, rules, mobility)
    }
  }

  /// Moves a batch from a zone to this CPU's list, keeping the first block for the caller.
  ///
  /// Linux: `rmqueue_bulk()`.
  private func refill(
    _ cpuLists: inout CPUZoneLists, _ list: Int, from index: Int, _ request: FrameRequest,
    _ rules: AllocationRules, _ mobility: Mobility
  ) -> PageFrameNumber? {
    let zone = state.value.zones[index]
    let wanted = cpuLists.refillCount(request.order)
    return zone.lists.withLock { (lists: inout BuddyLists) -> PageFrameNumber? in
      guard zone.maySpare(request, rules, mobility, of: lists.counts) else { return nil }
      // The lists of the CPU may have been filled for a lower zone's sake meanwhile.
      if let ready = cpuLists.pop(request.order, mobility, in: table) {
        // At once: a CPU that drains these lists takes neighbours by what their descriptors say.
        Self.take(ready, request.order, as: request.kind, in: table)
        return ready
      }
      let isShort = rules.contains(.highAtomic) && zone.isBelowLow(request, lists.counts)
      var mode = FallbackMode.own
      guard
        let run = lists.allocateRun(
          request.order, mobility, rules, &mode, atMost: max(wanted, 1), in: table)
      else {
        return lists.count(
          taken: lists.takeKept(request.order, rules, in: table), request.order)
      }
      let kind = lists.zone
      var missing = wanted - run.count
      if run.count > 1 { cpuLists.append(run.withoutFirst, list, kind, in: table) }
      while missing > 0,
        let more = lists.allocateRun(
          request.order, mobility, rules, &mode, atMost: missing, in: table)
      {
        cpuLists.append(more, list, kind, in: table)
        missing -= more.count
      }
      if isShort { lists.keep(run.first, request.order, ofManaged: zone.managed, in: table) }
      return lists.count(taken: run.first, request.order)
    }
  }

  /// Linux: `rmqueue_buddy()`.
  private func takeFromLists(
    _ index: Int, _ request: FrameRequest, _ rules: AllocationRules, _ mobility: Mobility
  ) -> PageFrameNumber? {
    let zone = state.value.zones[index]
    return zone.lists.withLock { (lists: inout BuddyLists) -> PageFrameNumber? in
      guard zone.maySpare(request, rules, mobility, of: lists.counts) else { return nil }
      let isShort = rules.contains(.highAtomic) && zone.isBelowLow(request, lists.counts)
      if isShort, let kept = lists.takeSmallest(request.order, .highAtomic, in: table) {
        return lists.count(taken: kept, request.order)
      }
      var mode = FallbackMode.own
      guard let block = lists.allocate(request.order, mobility, rules, &mode, in: table) else {
        return lists.count(
          taken: lists.takeKept(request.order, rules, in: table), request.order)
      }
      if isShort { lists.keep(block, request.order, ofManaged: zone.managed, in: table) }
      return lists.count(taken: block, request.order)
    }
  }
}
