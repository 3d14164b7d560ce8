// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import Compaction
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames

// Frames in a row out of the machine's first area.

extension SelfTests {
  private var contiguous: ContiguousMemory<Environment> { ContiguousMemory(environment) }

  func testContiguous(_ checks: inout SelfTestChecks) throws(AllocationError) {
    let count = frames.contiguousAreaCount
    checks.check(refuses(PageCount(1), count, .invalidRequest), "there is no area beyond the last")
    checks.check(refuses(PageCount(1), -1, .invalidRequest), "nor before the first")
    checks.check(refuses(.zero, 0, .invalidRequest), "no frames are no request")
    guard count > 0 else { return }
    let area = frames.contiguousArea(0)
    checks.check(
      refuses(area.range.count + PageCount(1), 0, .blocked), "more than the area is refused")
    checks.check(
      frames.contiguousArea(0).failureCount == area.failureCount + 1, "and counted")
    checkPlaces(area, &checks)
    let hoard = try takeOutside(leaving: PageCount(area.range.count.value + 2048))
    defer { giveBack(hoard) }
    checkWithProgram(&checks) { (checks) throws(MemoryError) in
      var program = try SelfTestProgram(environment, limit: frames.managedPageCount)
      defer { program.end() }
      try borrow(area, &program)
      checkBorrowed(area, program, &checks)
      checkHeld(area, program, &checks)
    }
  }

  /// What is given lies where it should, apart from what was given before.
  private func checkPlaces(_ area: ContiguousArea, _ checks: inout SelfTestChecks) {
    do throws(ContiguousFailure) {
      let first = try contiguous.allocate(PageCount(3), kind: .dma, fromArea: 0)
      let second = try contiguous.allocate(
        PageCount(5), kind: .dma, fromArea: 0, alignment: Order(4))
      let (one, other) = (first.range, second.range)
      checks.check(
        area.range.contains(one.first) && other.end <= area.range.end,
        "frames in a row lie in their area")
      checks.check(one.end <= other.first || other.end <= one.first, "and in nobody else's")
      checks.check(
        (other.first - area.range.first).value % 16 == 0, "they are aligned as asked")
      checks.check(
        frames.table[other.first + PageCount(4)].kind == .dma, "each is what it was asked for")
      var held = 0
      frames.visitHolders(ofArea: 0) { holder in
        if holder.range == one || holder.range == other { held += 1 }
      }
      checks.check(held == 2, "who holds what is known")
      contiguous.free(first, toArea: 0)
      contiguous.free(second, toArea: 0)
    } catch {
      checks.check(false, "an area that nobody uses serves a request")
    }
    checks.check(
      frames.contiguousArea(0).availableCount == area.availableCount,
      "what is given back can be had again")
  }

  /// Lets a program grow until it has borrowed a sixteenth of an area more.
  private func borrow(
    _ area: ContiguousArea, _ program: inout SelfTestProgram<Environment>
  ) throws(MemoryError) {
    var missing = area.range.count.value / 16
    while missing > 0 {
      try program.grow()
      if let frame = program.frame(of: program.pageCount - 1), area.range.contains(frame) {
        missing -= 1
      }
    }
  }

  private func borrowedCount(
    _ area: ContiguousArea, _ program: SelfTestProgram<Environment>
  ) -> (count: Int, first: PageFrameNumber?) {
    var count = 0
    var first: PageFrameNumber?
    for page in 0..<program.pageCount {
      guard let frame = program.frame(of: page), area.range.contains(frame) else { continue }
      count += 1
      first = first ?? frame
    }
    return (count, first)
  }

  /// The whole area can be had, and what borrowed it moves out.
  private func checkBorrowed(
    _ area: ContiguousArea, _ program: SelfTestProgram<Environment>,
    _ checks: inout SelfTestChecks
  ) {
    checks.check(borrowedCount(area, program).count > 0, "movable memory borrows an area")
    let moved = environment.memory.value.migration.succeededCount
    do throws(ContiguousFailure) {
      let all = try contiguous.allocate(area.range.count, kind: .dma, fromArea: 0)
      checks.check(all.range == area.range, "the whole area can be had")
      checks.check(borrowedCount(area, program).count == 0, "who borrowed it has left")
      checks.check(refuses(PageCount(1), 0, .blocked), "nothing of it is left then")
      contiguous.free(all, toArea: 0)
    } catch {
      checks.check(false, "an area that is only borrowed can be had")
    }
    checks.check(
      environment.memory.value.migration.succeededCount > moved, "its pages were moved")
    var isWhole = true
    for page in 0..<program.pageCount { isWhole = isWhole && program.isWhole(page) }
    checks.check(isWhole, "and hold what they held")
    let first = area.range.first
    checks.check(
      frames.pageBlocks.mobility(of: first) == .contiguous, "movable memory may borrow it again")
  }

  /// A page that somebody holds is in the way, and named.
  private func checkHeld(
    _ area: ContiguousArea, _ program: SelfTestProgram<Environment>,
    _ checks: inout SelfTestChecks
  ) {
    var program = program
    do throws(MemoryError) {
      try borrow(area, &program)
    } catch {
      return checks.check(false, "there is memory for a program that grows")
    }
    guard let frame = borrowedCount(area, program).first else {
      return checks.check(false, "an area that was given back is borrowed again")
    }
    frames.retain(frame)
    checks.check(refuses(area.range.count, 0, .blocked), "a page that is held stays")
    var isNamed = false
    frames.visitBlockers(ofArea: 0) { blocker in
      isNamed =
        isNamed
        || blocker.frame == frame && blocker.reason == MigrationRefusal.pinned.rawValue
    }
    checks.check(isNamed, "and is named as what was in the way")
    _ = frames.release(frame)
    checks.check(!refuses(area.range.count, 0, .blocked), "once it is let go it moves")
  }

  /// Whether a request is refused, and for this reason; its frames go back otherwise.
  private func refuses(
    _ count: PageCount, _ index: Int, _ expected: ContiguousFailure
  ) -> Bool {
    do throws(ContiguousFailure) {
      contiguous.free(
        try contiguous.allocate(count, kind: .dma, fromArea: index), toArea: index)
      return false
    } catch {
      return error == expected
    }
  }

  // Memory beside the areas, so that they are wanted

  /// Takes the largest blocks until so many frames outside the areas are left.
  ///
  /// - Returns: the first frame of the last one, each of which says the one before it.
  private func takeOutside(leaving count: PageCount) throws(AllocationError) -> UInt32 {
    var last: UInt32 = 0
    while frames.freePageCount.value - frames.freeContiguousPageCount.value
      > count.value + Order.max.pageCount.value
    {
      do throws(AllocationError) {
        let block = try frames.allocate(FrameRequest(order: .max)).surrender()
        frames.table[block].privateWord = last
        last = block.value
      } catch {
        break
      }
    }
    return last
  }

  private func giveBack(_ hoard: UInt32) {
    var last = hoard
    while last != 0 {
      let block = PageFrameNumber(last)
      last = frames.table[block].privateWord
      frames.table[block].privateWord = 0
      frames.free(.adopt(block, .max))
    }
  }
}
