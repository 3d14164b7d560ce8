// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryEvents
import MemoryUnits

extension PageFrames {
  /// Gives the zones all RAM that is not taken, and sets marks and reserves by its amount.
  ///
  /// Every boot table must have been cut from the memory before. Each run is one
  /// `framesReleased` event.
  ///
  /// Linux: `memblock_free_all()`, `init_per_zone_wmark_min()`.
  ///
  /// - Parameter grouping: whether mobilities are kept apart; never on a small machine.
  public func takeOver(
    _ memory: inout BootMemory, grouping: MobilityGrouping = .byMobility
  ) {
    memory.markHandedOver()
    var cursor = PageFrameNumber(0)
    while let run = memory.nextFreeRun(from: cursor) {
      var first = run.first
      while first < run.end {
        let kind = table[first].zone
        let end = min(run.end, state.value.zones[kind.index].end)
        release(from: first, to: end, into: kind)
        first = end
      }
      cursor = run.end
    }
    lendAreas()
    setPreferredZones()
    setMarks(minimumFreeKibibytes: nil)
    if grouping == .byMobility { groupByMobility() }
  }

  /// Gives the zones RAM that was taken when they took over and is needed no more.
  ///
  /// The marks stay what they were. Linux: `free_reserved_area()`.
  ///
  /// - Precondition: whole frames that have descriptors and were reserved.
  public func addMemory(from start: PhysicalAddress, _ size: ByteCount) {
    var first = start.frame
    let end = first + size.pagesRoundedUp
    precondition(start.offsetInFrame == .zero, "memory that begins within a frame")
    while first < end {
      precondition(table[first].kind == .reserved, "memory that is given twice")
      let kind = table[first].zone
      let last = min(end, state.value.zones[kind.index].end)
      release(from: first, to: last, into: kind)
      first = last
    }
  }

  /// Frees a run of frames of one zone as the largest aligned blocks.
  ///
  /// Linux: `__free_memory_core()`.
  func release(from first: PageFrameNumber, to end: PageFrameNumber, into kind: ZoneKind) {
    machine.record(
      MemoryEvent(
        .framesReleased, detail: UInt16(kind.rawValue), frame: first.value,
        value: UInt64((end - first).value)))
    var frame = first
    while frame < end {
      table[frame].kindAndOrder = FrameDescriptor.pack(.free, .zero)
      frame = frame + PageCount(1)
    }
    state.value.zones[kind.index].lists.withLock { (lists: inout BuddyLists) in
      var block = first
      while block < end {
        let aligned = min(block.value.trailingZeroBitCount, Int(Order.max.value))
        let fitting = Int.bitWidth - 1 - (end - block).value.leadingZeroBitCount
        let order = Order(UInt8(min(aligned, fitting)))
        lists.free(block, order, in: table, at: .last)
        block = block + order.pageCount
      }
    }
    state.value.zones[kind.index].managed += end - first
    state.value.policy.managed[kind] += (end - first).value
  }

  /// Sets marks, reserves and the lengths of the CPUs' lists.
  ///
  /// Linux: `vm.min_free_kbytes`, `setup_per_zone_wmarks()`, `setup_per_zone_lowmem_reserve()`.
  ///
  /// - Parameter minimumFreeKibibytes: nil for what Linux computes from the machine's size.
  public func setMarks(minimumFreeKibibytes: Int?) {
    let policy = state.value.policy
    let minimum = minimumFreeKibibytes ?? policy.minimumFreeKibibytes
    state.value.minimumFreeKibibytes = minimum
    for index in 0..<ZoneKind.count {
      let kind = ZoneKind(bits: UInt16(index))
      state.value.zones[index].watermarks = policy.watermarks(
        of: kind, minimumFreeKibibytes: minimum)
      for limit in 0..<ZoneKind.count {
        let limitKind = ZoneKind(bits: UInt16(limit))
        state.value.zones[index].reserves[limitKind] =
          policy.lowMemoryReserve(of: kind, limit: limitKind).value
      }
      setCPULists(of: kind, policy, minimum)
    }
    setBoostLimits()
  }

  private func setCPULists(of kind: ZoneKind, _ policy: ReservePolicy, _ minimum: Int) {
    let cpuCount = state.value.cpuCount
    let batch = policy.cpuBatch(of: kind)
    let high = policy.cpuHigh(of: kind, minimumFreeKibibytes: minimum, cpuCount: cpuCount)
    for cpu in 0..<cpuCount {
      state.value.cpus[cpu].withLock { (lists: inout CPUFrameLists) in
        lists.zones[kind.index].setLimits(batch: batch, high: high)
      }
    }
  }

  private func setPreferredZones() {
    for limit in 0..<ZoneKind.count {
      var zone = limit
      while zone > 0 && state.value.zones[zone].managed.value == 0 { zone -= 1 }
      state.value.preferred[limit] = ZoneKind(index: zone)
    }
  }

  /// Keeps mobilities apart unless the machine is too small for it.
  ///
  /// Linux: `build_all_zonelists()`, `page_group_by_mobility_disabled`.
  private func groupByMobility() {
    var managed = 0
    for index in 0..<ZoneKind.count { managed += state.value.zones[index].managed.value }
    // Linux has six types.
    state.value.groupsByMobility = managed >= PageBlocks.frameCount * 6
    // What cannot be moved would land in them otherwise.
    if state.value.areaCount > 0 { state.value.groupsByMobility = true }
  }
}
