// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryEvents
import MemoryUnits

extension PageFrames {
  /// Says what a frame is used for now and what it belongs to, and logs it.
  ///
  /// - Parameters:
  ///   - owner: the reference of its region, file, slab or table, 0 for none.
  ///   - index: the page's place in the owner, in pages.
  /// - Precondition: the caller owns the frame.
  public func assign(_ frame: PageFrameNumber, kind: FrameKind, owner: UInt32, index: UInt64 = 0) {
    checkInUse(frame)
    table[frame].kind = kind
    table[frame].owner = owner
    table[frame].index = index
    machine.record(
      MemoryEvent(
        .frameAssigned, detail: UInt16(kind.rawValue), frame: frame.value, owner: owner,
        value: index))
  }

  /// Counts one more entry of a program's page table that maps the frame, and logs it.
  ///
  /// Linux: `folio_add_*_rmap()`.
  @inline(__always)
  public func mapped(_ frame: PageFrameNumber, at page: PageNumber, space: UInt32) {
    checkInUse(frame)
    table[frame].mappings += 1
    machine.record(
      MemoryEvent(.frameMapped, frame: frame.value, owner: space, value: page.value))
  }

  /// Counts one less, and logs it. Linux: `folio_remove_rmap_pte()`.
  ///
  /// - Precondition: it was counted.
  @inline(__always)
  public func unmapped(_ frame: PageFrameNumber, at page: PageNumber, space: UInt32) {
    precondition(table[frame].mappings > 0, "unmap of a frame that is not mapped")
    table[frame].mappings -= 1
    machine.record(
      MemoryEvent(.frameUnmapped, frame: frame.value, owner: space, value: page.value))
  }

  @inline(__always)
  private func checkInUse(_ frame: PageFrameNumber) {
    let kind = table[frame].kind
    precondition(kind != .free && kind != .reserved, "a frame that is not used")
  }
}
