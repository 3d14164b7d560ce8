// SPDX-License-Identifier: Apache-2.0

import MemoryUnits

/// How much higher a zone's marks are for a while, since mobilities began to mix in it.
///
/// Each time a page block is to change its mobility though it is not free, the marks rise by a
/// page block, so that reclaim makes room for whole ones before the next time.
///
/// Linux: `watermark_boost`, `boost_watermark()`.
struct WatermarkBoost: BitwiseCopyable {
  private(set) var pageCount = PageCount.zero
  /// What it never exceeds; zero where the zone is too small to be boosted.
  private(set) var limit = PageCount.zero

  init() {}

  /// Linux: `vm.watermark_boost_factor`, in ten thousandths of the high mark.
  static var factor: Int { 15_000 }

  /// - Parameter high: the zone's high mark, not boosted.
  mutating func setLimit(managed: PageCount, high: PageCount, factor: Int = Self.factor) {
    let share = Int(Int64(high.value) * Int64(factor) / 10_000)
    let isLarge = managed.value >= PageBlocks.frameCount * 4
    limit = isLarge && share > 0 ? PageCount(max(share, PageBlocks.frameCount)) : .zero
    pageCount = min(pageCount, limit)
  }

  mutating func raise() {
    pageCount = min(pageCount + PageCount(PageBlocks.frameCount), limit)
  }

  /// Lowers it again by what reclaim answered for. Linux: the end of `balance_pgdat()`.
  mutating func lower(by count: PageCount) { pageCount -= min(count, pageCount) }
}
