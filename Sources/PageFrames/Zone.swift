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

  /// The free frames that must be left after a request is served. Linux: `__zone_watermark_ok()`.
  ///
  /// - Returns: nil where all may go.
  func floor(for request: FrameRequest) -> Int? {
    let minimum = watermarks.minimum.value
    switch request.urgency {
    case .normal: return minimum + reserves[request.zoneLimit]
    case .high: return minimum - minimum / 2 + reserves[request.zoneLimit]
    case .reserve: return nil
    }
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
  /// Whether `failures` has any; read without its lock.
  var isInjecting = false
  /// Whether a single frame that is in the CPU's lists may be had without any other look: not
  /// while each request is to be looked at.
  var servesFromLists = true
}
