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

  /// Counts one more mapping of a frame that a child maps too from now on, holds it for that,
  /// and logs it.
  ///
  /// An anonymous frame is not of one process alone any more. Linux: `folio_try_dup_anon_rmap()`.
  ///
  /// - Returns: what the frame is used for.
  /// - Precondition: somebody holds it already.
  @inline(__always)
  public func shared(
    _ frame: PageFrameNumber, at page: PageNumber, space: UInt32
  ) -> FrameKind {
    let table = table
    let kind = table[frame].share()
    machine.record(
      MemoryEvent(.frameMapped, frame: frame.value, owner: space, value: page.value))
    return kind
  }

  /// Counts one less, and logs it. Linux: `folio_remove_rmap_pte()`.
  ///
  /// - Returns: what the frame is used for, and whether it is mapped elsewhere still.
  /// - Precondition: it was counted.
  @discardableResult
  @inline(__always)
  public func unmapped(
    _ frame: PageFrameNumber, at page: PageNumber, space: UInt32
  ) -> (kind: FrameKind, isMapped: Bool) {
    let table = table
    let rest = table[frame].unmap()
    machine.record(
      MemoryEvent(.frameUnmapped, frame: frame.value, owner: space, value: page.value))
    return rest
  }

  /// Gives another frame what is known of one: flags, locks, private word, holders; the old one
  /// has one holder then, who is to let it go. Its mappings went one by one.
  ///
  /// Linux: `folio_migrate_flags()`.
  ///
  /// - Precondition: nothing maps the old frame; both are single frames of one kind.
  public func passOn(from frame: PageFrameNumber, to target: PageFrameNumber) {
    checkInUse(target)
    precondition(table[frame].mappings == 0, "a frame that is mapped gives its place away")
    table[target].adoptLocks(of: table[frame])
    table[target].flags = table[frame].flags
    table[target].privateWord = table[frame].privateWord
    table[target].references = table[frame].references
    table[frame].flags = FrameFlags()
    table[frame].privateWord = 0
    table[frame].references = 1
  }

  @inline(__always)
  private func checkInUse(_ frame: PageFrameNumber) {
    let kind = table[frame].kind
    precondition(kind != .free && kind != .reserved, "a frame that is not used")
  }
}

extension FrameDescriptor {
  /// Counts a holder and a mapping more.
  @inline(__always)
  fileprivate mutating func share() -> FrameKind {
    precondition(references > 0, "a frame that nobody holds is shared")
    references += 1
    mappings += 1
    let kind = kind
    precondition(kind != .free && kind != .reserved, "a frame that is not used")
    if kind == .anonymous { flags.remove(.exclusive) }
    return kind
  }

  /// Counts a mapping less.
  @inline(__always)
  fileprivate mutating func unmap() -> (kind: FrameKind, isMapped: Bool) {
    precondition(mappings > 0, "unmap of a frame that is not mapped")
    mappings -= 1
    return (kind, mappings > 0)
  }
}
