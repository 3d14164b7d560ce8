// SPDX-License-Identifier: Apache-2.0

import KernelMappings
import Machine
import MemoryUnits
import PageFrames
import PageTableFormats
import PageTables

// The kernel's addresses.

extension SelfTests {
  private var areas: VirtualAreas<M> { mappings.areas }

  func testVirtualAreas(_ checks: inout SelfTestChecks) throws(AllocationError) {
    areas.purge()
    let used = areas.usedPageCount
    let address = try areas.allocate(ByteCount(5 * 4096 + 1))
    checks.check(areas.usedPageCount.value == used.value + 6, "a page that is begun is whole")
    var isZeroed = true
    for page in 0..<6 {
      let place = address + PageCount(page).bytes
      guard let physical = areas.translate(place) else {
        checks.check(false, "every page of an area is mapped")
        continue
      }
      isZeroed = isZeroed && isZero(physical.frame, .zero)
      fill(physical.frame, .zero)
    }
    checks.check(isZeroed, "new memory is zeroed")
    checks.check(!isMapped(address + PageCount(6).bytes), "the page behind an area is nobody's")
    checks.check(!canFreeInside(address), "what begins no area is not freed")
    checks.check(canFree(address), "an area is given back")
    checks.check(!canFree(address), "and not twice")
    checks.check(areas.lazyPageCount.value == 6, "its frames wait for a flush")
    checks.check(!isMapped(address), "although nothing maps them")
    areas.purge()
    checks.check(areas.lazyPageCount == .zero, "one flush is enough for all")
    try checkGivenFrames(&checks)
    try checkRefusals(&checks)
  }

  private func checkGivenFrames(_ checks: inout SelfTestChecks) throws(AllocationError) {
    let frame = try frames.allocate(FrameRequest()).surrender()
    let list: InlineArray<2, PageFrameNumber> = [frame, frame]
    let address = try areas.map(list.span, .read)
    checks.check(
      areas.translate(address)?.frame == frame
        && areas.translate(address + PageCount(1).bytes)?.frame == frame,
      "given frames are mapped where they are wanted")
    checks.check(frames.table[frame].references == 3, "and held once for each page")
    do throws(VirtualAreaError) {
      try areas.unmap(address)
    } catch {
      checks.check(false, "what was mapped can be unmapped")
    }
    areas.purge()
    checks.check(frames.table[frame].references == 1, "and let go")
    frames.free(.adopt(frame))
  }

  private func checkRefusals(_ checks: inout SelfTestChecks) throws(AllocationError) {
    checks.check(refuses(.zero, .zeroSize), "no memory is no area")
    checks.check(
      refuses(PageCount(frames.managedPageCount.value + 1).bytes, .tooLarge),
      "more than all memory is refused")
  }

  private func refuses(_ size: ByteCount, _ expected: AllocationError) -> Bool {
    do throws(AllocationError) {
      _ = try areas.allocate(size)
      return false
    } catch {
      return error == expected
    }
  }

  private func canFree(_ address: VirtualAddress) -> Bool {
    do throws(VirtualAreaError) {
      try areas.free(address)
      return true
    } catch {
      return false
    }
  }

  private func canFreeInside(_ address: VirtualAddress) -> Bool {
    canFree(address + PageCount(1).bytes)
  }

  func isMapped(_ address: VirtualAddress) -> Bool {
    mappings.tables.translate(mappings.root, address) != nil
  }
}
