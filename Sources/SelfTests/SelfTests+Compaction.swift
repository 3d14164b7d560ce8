// SPDX-License-Identifier: Apache-2.0

import AddressSpaces
import Compaction
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames

// Free memory in pieces, and made whole again.

extension SelfTests {
  func testCompaction(_ checks: inout SelfTestChecks) {
    checkWithProgram(&checks) { (checks) throws(MemoryError) in
      let limit = min(frames.freePageCount.value / 2, 8192)
      var program = try SelfTestProgram(environment, limit: PageCount(limit))
      defer { program.end() }
      for _ in 0..<limit { try program.grow() }
      // One page in sixteen stays, in each large block.
      for page in stride(from: 0, to: limit - 16, by: 16) {
        try program.discard(from: page + 1, 15)
      }
      checkGathering(program, limit, &checks)
    }
    checkRefusals(&checks)
  }

  private func checkGathering(
    _ program: SelfTestProgram<Environment>, _ limit: Int, _ checks: inout SelfTestChecks
  ) {
    frames.drainCPULists()
    let free = frames.freePageCount
    let before = largeBlockCount
    let counts = environment.memory.value.compaction
    let moved = environment.memory.value.migration.succeededCount
    Compaction(environment).compactAll()
    let after = environment.memory.value.compaction
    checks.check(
      environment.memory.value.migration.succeededCount > moved, "pages in the way are moved")
    checks.check(
      after.migrateScannedCount > counts.migrateScannedCount
        && after.freeScannedCount > counts.freeScannedCount, "and counted")
    checks.check(largeBlockCount > before, "what is free becomes large blocks")
    frames.drainCPULists()
    checks.check(frames.freePageCount == free, "compaction takes no frame and frees none")
    var isWhole = true
    for page in stride(from: 0, to: limit - 16, by: 16) {
      isWhole = isWhole && program.isWhole(page)
    }
    checks.check(isWhole, "a page that was moved holds what it held")
    checks.check(
      program.frame(of: 1) == nil, "and one that was given back is not there")
  }

  private func checkRefusals(_ checks: inout SelfTestChecks) {
    let compaction = Compaction(environment)
    let single = Shortfall(order: .zero, zoneLimit: .normal, kind: .plain)
    checks.check(
      compaction.compact(for: single) == .skipped, "for single frames nothing is gathered")
    let pair = Shortfall(order: Order(1), zoneLimit: .normal, kind: .plain)
    checks.check(
      compaction.compact(for: pair) != .success, "what is there is not what compaction makes")
  }

  /// Blocks of 2 MiB that could be had.
  private var largeBlockCount: Int {
    frames.drainCPULists()
    var count = 0
    for index in 0..<ZoneKind.count {
      let zone = ZoneKind(index: index)
      guard frames.statistics(of: zone).managed > .zero else { continue }
      count += frames.fragmentation(Order(9), of: zone).suitableBlockCount
    }
    return count
  }

  /// Runs checks that need a program's memory.
  func checkWithProgram(
    _ checks: inout SelfTestChecks,
    _ body: (inout SelfTestChecks) throws(MemoryError) -> Void
  ) {
    do throws(MemoryError) {
      try body(&checks)
    } catch {
      checks.check(false, "there is memory for a program")
    }
  }
}
