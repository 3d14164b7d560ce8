// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryUnits

extension PageFrames {
  /// How much higher the marks of a zone are, since mobilities mixed in it.
  ///
  /// Linux: `watermark_boost`.
  public func boost(of zone: ZoneKind) -> PageCount {
    state.value.zones[zone.index].lists.withLock { (lists: inout BuddyLists) in
      lists.boost.pageCount
    }
  }

  /// Lowers the marks of a zone again, by what reclaim answered for.
  ///
  /// Linux: the end of `balance_pgdat()`.
  ///
  /// - Context: any; never sleeps; takes the zone lock.
  public func lowerBoost(of zone: ZoneKind, by count: PageCount) {
    state.value.zones[zone.index].lists.withLock { (lists: inout BuddyLists) in
      lists.boost.lower(by: count)
    }
  }

  /// Ends all boosts that stand in a request's way: failing is worse than mixing.
  func lowerBoosts(below limit: ZoneKind) {
    for index in 0...limit.index {
      state.value.zones[index].lists.withLock { (lists: inout BuddyLists) in
        lists.boost.lower(by: lists.boost.pageCount)
      }
    }
  }

  /// Linux: `vm.watermark_boost_factor`.
  func setBoostLimits() {
    for index in 0..<ZoneKind.count {
      let zone = state.value.zones[index]
      zone.lists.withLock { (lists: inout BuddyLists) in
        lists.boost.setLimit(managed: zone.managed, high: zone.watermarks.high)
      }
    }
  }
}
