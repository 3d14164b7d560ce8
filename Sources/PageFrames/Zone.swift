// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryUnits

/// One zone: its extent, its marks, and the lists behind their lock.
///
/// Extent and marks change at boot and by sysctl alone.
///
/// Linux: `struct zone`.
struct Zone: BitwiseCopyable {
  let first: PageFrameNumber
  /// Beyond the last frame that is RAM.
  let end: PageFrameNumber
  let present: PageCount
  /// The frames that the lists were ever given.
  var managed = PageCount.zero
  var watermarks = Watermarks.zero
  /// By the highest zone that a request may use: what stays here for those with less choice.
  ///
  /// Linux: `lowmem_reserve`.
  var reserves = PerZone()
  let lists: Locked<BuddyLists>

  /// Whether it has frames to spare for a request. Linux: `__zone_watermark_ok()`.
  func maySpare(
    _ request: FrameRequest, _ rules: AllocationRules, _ mobility: Mobility, of free: FreeCounts
  ) -> Bool {
    if rules.contains(.asksNoMark) { return true }
    // Waiting for what reclaim makes of a boost is not for them.
    let isBoosted = request.order > .zero || !rules.contains(.reachesDeep)
    var mark = watermarks.minimum.value + (isBoosted ? free.boost.value : 0)
    if rules.contains(.reachesDeep) {
      mark -= mark / 2
      if rules.contains(.cannotWait) { mark -= mark / 4 }
    }
    // What lies in contiguous areas is there for movable memory alone.
    let others = mobility == .movable ? 0 : free.contiguous.value
    return free.usable(by: rules) - others - (request.order.pageCount.value - 1)
      > mark + reserves[request.zoneLimit]
  }

  /// Whether reclaim in the background has work here. Linux: the fast path's check.
  func isBelowLow(_ request: FrameRequest, _ free: FreeCounts) -> Bool {
    free.usable(by: AllocationRules()) - (request.order.pageCount.value - 1)
      <= watermarks.low.value + free.boost.value + reserves[request.zoneLimit]
  }
}

/// The free frames of a zone in numbers, with what is kept of them.
struct FreeCounts: BitwiseCopyable {
  var total: PageCount
  /// Linux: `nr_free_highatomic`.
  var highAtomic: PageCount
  /// Linux: `NR_FREE_CMA_PAGES`.
  var contiguous: PageCount
  /// What the marks are higher by.
  var boost: PageCount

  /// Linux: `__zone_watermark_unusable_free()`.
  func usable(by rules: AllocationRules) -> Int {
    total.value - (rules.reachesReserves ? 0 : highAtomic.value)
  }
}

/// Everything of the page allocator, behind one reference, so that a copy of it is one word.
struct FrameState<M: Machine>: BitwiseCopyable {
  let machine: M
  let table: FrameTable
  let tableAddress: PhysicalAddress
  let pageBlocks: PageBlocks
  var zones: InlineArray<4, Zone>
  var cpus: InlineArray<4, Locked<CPUFrameLists>>
  var cpuCount: Int
  /// By the highest zone allowed, the first one tried: the highest that has frames.
  var preferred = InlineArray<4, ZoneKind>(repeating: .dma)
  var policy = ReservePolicy(managed: PerZone())
  var minimumFreeKibibytes = 0
  /// Linux: `page_group_by_mobility_disabled`, reversed.
  var groupsByMobility = false
  let failures: Locked<FailureInjection>
  /// What is watched, of which `failures` is one; read without a lock.
  var debugging = FrameDebugging() {
    didSet { servesFromLists = debugging.isEmpty }
  }
  /// As many as `areaCount` says, at least one.
  let areas: ResidentArray<ContiguousArea>
  let areaCount: Int
  /// Whether a single frame that is in the CPU's lists may be had without any other look: not
  /// while each request is to be looked at.
  private(set) var servesFromLists = true
  /// Blocks of smaller orders have guards behind them, where that is watched.
  var guardedOrder = Order.zero
  var lastFailure: AllocationFailure?
  var lastFault: FrameFault?
  var faultCount = 0
}
