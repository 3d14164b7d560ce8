// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryEvents
import MemoryUnits

/// An allocation that failed for good: what was asked for, and what there was.
///
/// Linux: `warn_alloc()`.
public struct AllocationFailure: Sendable, BitwiseCopyable, Equatable {
  public let order: Order
  /// Linux: `gfp_mask`.
  public let mode: UInt32
  /// The zone that would have served it first.
  public let zone: ZoneKind
  public let mobility: Mobility
  /// What was free in that zone.
  public let free: PageCount
  /// What had to stay free in it.
  public let mark: PageCount

  /// Whether there were frames enough, only not side by side.
  public var isOfFragmentation: Bool {
    order > .zero && free.value > mark.value + order.pageCount.value
  }

  /// As a record of the log.
  public var event: MemoryEvent {
    MemoryEvent(
      .allocationFailed,
      detail: UInt16(order.value) | UInt16(zone.rawValue) << 8 | UInt16(mobility.rawValue) << 12,
      frame: UInt32(truncatingIfNeeded: mark.value), owner: mode, value: UInt64(free.value))
  }

  /// From a record of the log; nil if it is of something else.
  public init?(_ event: MemoryEvent) {
    guard event.kind == EventKind.allocationFailed.rawValue,
      let order = Order(exactly: Int(event.detail & 0xFF)),
      let mobility = Mobility(rawValue: UInt8(event.detail >> 12))
    else { return nil }
    self.order = order
    mode = event.owner
    zone = ZoneKind(index: Int(event.detail >> 8 & 3))
    self.mobility = mobility
    free = PageCount(Int(event.value))
    mark = PageCount(Int(event.frame))
  }

  init(_ request: FrameRequest, zone: ZoneKind, free: PageCount, mark: PageCount) {
    order = request.order
    mode = request.mode
    self.zone = zone
    mobility = request.mobility
    self.free = free
    self.mark = mark
  }
}

extension PageFrames {
  /// The last allocation that failed for good, if any did.
  public var lastFailure: AllocationFailure? { state.value.lastFailure }

  /// Keeps and logs that a request was not served.
  ///
  /// Linux: `warn_alloc()`; `__GFP_NOWARN` keeps its text out of dmesg.
  ///
  /// - Context: any; takes a zone lock.
  func report(_ request: FrameRequest) {
    let kind = state.value.preferred[request.zoneLimit.index]
    let zone = state.value.zones[kind.index]
    let failure = AllocationFailure(
      request, zone: kind, free: freePageCount(of: kind),
      mark: zone.watermarks.minimum + PageCount(zone.reserves[request.zoneLimit]))
    state.value.lastFailure = failure
    machine.record(failure.event)
  }
}
