// SPDX-License-Identifier: Apache-2.0

import KernelMappings
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames
import PageTableFormats
import PageTables

// The direct map.

extension SelfTests {
  func testDirectMap(_ checks: inout SelfTestChecks) throws(AllocationError) {
    let frame = try frames.allocate(FrameRequest()).surrender()
    let address = mappings.address(of: frame.address)
    checks.check(
      mappings.translate(address + ByteCount(5)) == frame.address + ByteCount(5),
      "an address of the direct map leads where it says")
    checks.check(rights(at: address) == .readWrite, "data cannot be executed")
    let before = byteCounts
    let isSplit = level(at: address) > 0
    checks.check(protect(frame, .read), "the right to write can be taken")
    checks.check(rights(at: address) == .read, "and is not there then")
    if isSplit {
      checks.check(byteCounts.small > before.small, "a large page is split for it")
      checks.check(byteCounts.large < before.large, "and counted no longer")
    }
    checks.check(
      byteCounts.small + byteCounts.large == before.small + before.large,
      "no byte is lost by a split")
    checks.check(protect(frame, .inaccessible), "all rights can be taken")
    checks.check(mappings.translate(address) == nil, "what nobody may touch is nowhere")
    checks.check(protect(frame, .readWrite), "all rights can be given back")
    checks.check(rights(at: address) == .readWrite, "and are there then")
    checks.check(
      byteCounts.small == before.small && byteCounts.large == before.large,
      "a page that was split is whole again")
    checks.check(!protect(frame, .write.union(.execute)), "what can be written is not executed")
    frames.free(.adopt(frame))
    checkHalves(&checks)
  }

  /// Nothing can be written and executed, and programs' half of the kernel's table is empty.
  private func checkHalves(_ checks: inout SelfTestChecks) {
    var cursor = mappings.tables.cursor(mappings.root, at: VirtualAddress(0))
    checks.check(
      !cursor.findOccupied(before: M.Format.userLimit), "no address is where it is in memory")
    var isSound = true
    do throws(PageTableViolation) {
      try mappings.tables.check(mappings.root, .kernel) { _, _, _ in }
    } catch {
      isSound = false
    }
    checks.check(isSound, "nothing can be written and executed")
  }

  private var byteCounts: (small: UInt64, large: UInt64) {
    var large: UInt64 = 0
    for level in 1...2 { large += mappings.directMapByteCount(level: level).value }
    return (mappings.directMapByteCount(level: 0).value, large)
  }

  private func rights(at address: VirtualAddress) -> Protection? {
    mappings.tables.translate(mappings.root, address)?.leaf.protection.rights
  }

  private func level(at address: VirtualAddress) -> Int {
    mappings.tables.translate(mappings.root, address)?.level ?? 0
  }

  private func protect(_ frame: PageFrameNumber, _ protection: Protection) -> Bool {
    do throws(DirectMapError) {
      try mappings.protectDirectMap(from: frame, PageCount(1), protection)
      return true
    } catch {
      return false
    }
  }
}
