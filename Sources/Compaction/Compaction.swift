// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import KernelHeap
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames

/// Gathers free memory into large blocks by moving pages out of the way.
///
/// Two scanners go through a zone towards each other: the one from below looks for pages that can
/// be moved, the one from above for free frames to move them to. Where they meet, what is free
/// lies below.
///
///     zone │ pages to move ──▶        │        ◀── free frames │
///
/// It works without swap and without pages of files; nothing is written or dropped.
///
/// Linux: `mm/compaction.c`.
public struct Compaction<Environment: MemoryEnvironment>: BitwiseCopyable {
  let environment: Environment

  public init(_ environment: Environment) { self.environment = environment }

  var spaces: AddressSpaces<Environment> { AddressSpaces(environment) }
  var frames: PageFrames<Environment.Hardware> { environment.frames }

  /// What came of it. Linux: `enum compact_result`.
  public enum Outcome: Equatable, Sendable, BitwiseCopyable {
    /// There is a block now as was asked for.
    case success
    /// The scanners met, and there is none.
    case complete
    /// It was not tried: there is too little free memory to gather, or too much to need it.
    case skipped
    /// It was not tried: it came to nothing a short time ago.
    case deferred
  }

  /// Makes a block for a request that failed, in the zones that it may use.
  ///
  /// - Context: no lock held; does not sleep.
  /// - Complexity: O(frames of the zones).
  ///
  /// Linux: `try_to_compact_pages()`.
  public func compact(for shortfall: Shortfall) -> Outcome {
    guard shortfall.order > .zero else { return .skipped }
    environment.memory.value.compaction.stallCount += 1
    var outcome = Outcome.skipped
    var index = shortfall.zoneLimit.index
    while index >= 0 {
      let zone = ZoneKind(index: index)
      index -= 1
      guard frames.statistics(of: zone).managed > .zero else { continue }
      outcome = compact(zone, for: shortfall)
      if outcome == .success { break }
    }
    if outcome == .success {
      environment.memory.value.compaction.successCount += 1
    } else {
      environment.memory.value.compaction.failureCount += 1
    }
    return outcome
  }

  private func compact(_ zone: ZoneKind, for shortfall: Shortfall) -> Outcome {
    let order = shortfall.order
    // What is there and was not given is not what compaction makes.
    guard !frames.hasBlock(order, shortfall.mobility, in: zone), isSuitable(zone, order) else {
      return .skipped
    }
    if isDeferred(zone, order) { return .deferred }
    gather(zone, until: shortfall)
    guard frames.hasBlock(order, shortfall.mobility, in: zone) else {
      deferMore(zone, order)
      return .complete
    }
    environment.memory.value.compaction.zones[zone.index] = ZoneDeferral()
    return .success
  }

  /// Gathers what is free in every zone. Linux: `/proc/sys/vm/compact_memory`.
  ///
  /// - Context: no lock held; does not sleep.
  public func compactAll() {
    for index in 0..<ZoneKind.count {
      let zone = ZoneKind(index: index)
      if frames.statistics(of: zone).managed > .zero { gather(zone, until: nil) }
    }
  }

  /// Whether there is enough free memory to gather, and it is scattered.
  ///
  /// Linux: `compaction_suitable()`, `compaction_suit_allocation_order()`.
  private func isSuitable(_ zone: ZoneKind, _ order: Order) -> Bool {
    let facts = frames.statistics(of: zone)
    let mark = order.value > 3 ? facts.watermarks.low : facts.watermarks.minimum
    let gap = order.pageCount.value << 1
    guard facts.free.value + facts.cached.value >= mark.value + gap else { return false }
    let index = frames.fragmentation(order, of: zone).index
    return index < 0 || index > Int(environment.memory.value.compaction.threshold)
  }

  /// Moves pages from below to above until a block is there, or the scanners meet.
  ///
  /// Linux: `compact_zone()`.
  private func gather(_ zone: ZoneKind, until shortfall: Shortfall?) {
    frames.drainCPULists()
    let facts = frames.statistics(of: zone)
    var from = facts.first
    var limit = facts.first + facts.spanned
    var moved: UInt64 = 0
    while from < limit {
      let (end, head) = frames.blockInUse(around: from)
      environment.memory.value.compaction.migrateScannedCount += 1
      if let head, head == from, spaces.obstacle(toMoving: head) == nil {
        let kind = frames.table[head].kind
        guard let target = frames.takeHighestFree(from: end, below: limit, kind: kind) else {
          break
        }
        let scanned = UInt64((limit - target.first).value)
        environment.memory.value.compaction.freeScannedCount += scanned
        environment.memory.value.compaction.isolatedCount += 2
        limit = target.first
        spaces.move(head, to: target)
        moved += 1
        if moved & 31 == 0, let shortfall, isFinished(zone, shortfall) { break }
      }
      from = max(end, from + PageCount(1))
    }
    frames.drainCPULists()
    environment.machine.record(
      MemoryEvent(
        .compactionEnded,
        detail: UInt16(zone.rawValue) << 8 | UInt16(shortfall?.order.value ?? 255),
        process: environment.currentProcess, value: moved))
  }

  private func isFinished(_ zone: ZoneKind, _ shortfall: Shortfall) -> Bool {
    frames.drainCPULists()
    return frames.hasBlock(shortfall.order, shortfall.mobility, in: zone)
  }

  // Not again and again where it comes to nothing

  /// Linux: `compaction_deferred()`.
  private func isDeferred(_ zone: ZoneKind, _ order: Order) -> Bool {
    let deferral = environment.memory.value.compaction.zones[zone.index]
    guard deferral.shift > 0, order.value >= deferral.failedOrder else { return false }
    environment.memory.value.compaction.zones[zone.index].consideredCount += 1
    return deferral.consideredCount + 1 < 1 << UInt32(deferral.shift)
  }

  /// Linux: `defer_compaction()`.
  private func deferMore(_ zone: ZoneKind, _ order: Order) {
    var deferral = environment.memory.value.compaction.zones[zone.index]
    let smallest = deferral.shift == 0 ? order.value : deferral.failedOrder
    deferral.failedOrder = min(smallest, order.value)
    deferral.shift = min(deferral.shift + 1, ZoneDeferral.largestShift)
    deferral.consideredCount = 0
    environment.memory.value.compaction.zones[zone.index] = deferral
  }
}
