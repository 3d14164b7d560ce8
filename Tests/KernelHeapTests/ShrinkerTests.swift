// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import Testing

/// Golden numbers by Linux's `do_shrink_slab()`.
struct ShrinkerTests {
  private final class Hoard: Shrinker {
    var freeableCount: Int
    let seekCount: Int
    var isStuck = false
    private(set) var asked: [Int] = []

    init(_ count: Int, seeks: Int = 2) {
      freeableCount = count
      seekCount = seeks
    }

    func free(_ count: Int) -> Int? {
      if isStuck { return nil }
      asked.append(count)
      let gone = min(count, freeableCount)
      freeableCount -= gone
      return gone
    }
  }

  @Test func `a share is asked for in batches, and what is less than one waits`() {
    let hoard = Hoard(10_000)
    var state = ShrinkerState()
    // 10,000 >> 5 = 312, times 4 / 2 = 624: four batches of 128, and 112 for later.
    #expect(state.shrink(hoard, priority: 5) == 512)
    #expect(hoard.asked == [128, 128, 128, 128] && state.deferredCount == 112)
    #expect(state.scannedCount == 512)
  }

  @Test func `what waited comes with the next call`() {
    let hoard = Hoard(4096 * 40)
    var state = ShrinkerState()
    #expect(state.shrink(hoard, priority: 12) == 0)
    #expect(state.deferredCount == 80)
    #expect(state.shrink(hoard, priority: 12) == 0)
    #expect(state.deferredCount == 160)
    // (160 >> 1) + (163,840 >> 1) * 2, less than a batch stays.
    #expect(state.shrink(hoard, priority: 1) == 163_840)
    #expect(hoard.freeableCount == 0)
  }

  @Test func `few objects go all at once, and objects that cost nothing by halves`() {
    let few = Hoard(5)
    var state = ShrinkerState()
    #expect(state.shrink(few, priority: 0) == 5)
    let free = Hoard(1000, seeks: 0)
    var other = ShrinkerState()
    #expect(other.shrink(free, priority: 12) == 384 && other.deferredCount == 116)
  }

  @Test func `who cannot free now is asked again later`() {
    let hoard = Hoard(1000)
    hoard.isStuck = true
    var state = ShrinkerState()
    #expect(state.shrink(hoard, priority: 0) == 0)
    #expect(state.deferredCount == 2000)
    hoard.isStuck = false
    #expect(state.shrink(hoard, priority: 0) > 0)
  }
}
