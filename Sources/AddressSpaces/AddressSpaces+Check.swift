// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures
import KernelHeap
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames
import PageTableFormats
import PageTables

/// What must never be found in an address space.
public enum AddressSpaceViolation: Error, Equatable, Sendable, BitwiseCopyable {
  /// Two areas overlap or are out of order.
  case areasOutOfOrder(VirtualAddress)
  /// What the tree remembers of the free room is wrong.
  case gapMiscounted(VirtualAddress)
  /// A page is mapped where no area is, or with rights that its area does not give.
  case pageOutsideArea(VirtualAddress)
  case rightsBeyondArea(VirtualAddress)
  /// A mapped frame is neither a private page nor a file's.
  case wrongKind(PageFrameNumber)
  /// The reverse map of a frame does not lead to where it is mapped.
  case notInReverseMap(PageFrameNumber, VirtualAddress)
  /// The space counts other numbers of pages than it has.
  case pagesMiscounted
  /// The space counts other numbers of locked pages than its areas have.
  case locksMiscounted
  /// A frame is locked more or less often than entries in locked areas map it, or as a page that
  /// reclaim may have.
  case frameLockMiscounted(PageFrameNumber)
  /// The counters of locked frames say something else than the frames.
  case lockedFramesMiscounted
  /// A frame says that it is mapped more or less often than it is.
  case mappingsMiscounted(PageFrameNumber, says: UInt32, found: UInt32)
  case table(PageTableViolation)
}

extension AddressSpaces {
  /// Checks a space: its areas, its page table, the way back from each frame.
  ///
  /// Each leaf is counted in its frame's private word; `checkMappingCounts` compares once all
  /// spaces were checked.
  ///
  /// - Throws: the first violation.
  /// - Complexity: O(areas · log + pages · areas that share each).
  public func check(_ space: Reference<AddressSpace>) throws(AddressSpaceViolation) {
    try checkAreas(of: space)
    var violation: AddressSpaceViolation?
    var anonymous = 0
    var others = 0
    do {
      try tables.check(heap[space].root, .user) { address, leaf, _ in
        if leaf.protection.contains(.uncounted) { return }
        if !keepsBlock(leaf.frame) { frames.table[leaf.frame].privateWord += 1 }
        if frames.table[leaf.frame].kind == .anonymous { anonymous += 1 } else { others += 1 }
        if violation == nil { violation = violationOfLeaf(leaf, at: address, in: space) }
      }
    } catch {
      throw .table(error)
    }
    if let violation { throw violation }
    let value = heap[space]
    guard value.anonymousCount.value == anonymous,
      (value.fileCount + value.sharedCount).value == others
    else { throw .pagesMiscounted }
  }

  private func checkAreas(of space: Reference<AddressSpace>) throws(AddressSpaceViolation) {
    heap[space].areas.checkInvariants(in: areaLinks)
    var pages = 0
    var lockedPages = 0
    var below = Self.lowestPage.value
    var next = firstArea(of: space)
    while let area = next {
      let value = heap[area]
      guard value.start < value.end, pages == 0 || value.start.value >= below else {
        throw .areasOutOfOrder(value.start.address)
      }
      var gap = value.start.value - min(below, value.start.value)
      if value.attributes.contains(.growsDown) { gap -= min(gap, UInt64(Self.stackGuard.value)) }
      guard gap == value.gaps.before else { throw .gapMiscounted(value.start.address) }
      pages += value.pageCount.value
      if value.attributes.contains(.locked) { lockedPages += value.pageCount.value }
      below = value.end.value
      next = self.area(after: area)
    }
    guard heap[space].pageCount.value == pages else { throw .pagesMiscounted }
    guard heap[space].lockedPageCount.value == lockedPages else { throw .locksMiscounted }
  }

  private func violationOfLeaf(
    _ leaf: DecodedEntry.Leaf, at address: VirtualAddress, in space: Reference<AddressSpace>
  ) -> AddressSpaceViolation? {
    guard let area = area(in: space, at: address.page) else { return .pageOutsideArea(address) }
    let rights = leaf.protection.intersection(.read.union(.write).union(.execute))
    var granted = heap[area].protection
    if !granted.isDisjoint(with: .write.union(.execute)) { granted = granted.union(.read) }
    guard granted.isSuperset(of: rights) else { return .rightsBeyondArea(address) }
    let kind = frames.table[leaf.frame].kind
    guard kind == .anonymous || kind == .file else { return .wrongKind(leaf.frame) }
    if heap[area].attributes.contains(.locked), frames.table[leaf.frame].lockCount == 0 {
      return .frameLockMiscounted(leaf.frame)
    }
    var isFound = false
    forEachPlace(of: leaf.frame) { place, page in
      if place == space, page == address.page { isFound = true }
    }
    return isFound ? nil : .notInReverseMap(leaf.frame, address)
  }

  /// Compares what every frame says of its mappings with what was found, after a `check` of
  /// each space. Pages that are to be written have no room to count in, and are passed over.
  ///
  /// - Complexity: O(frames).
  public func checkMappingCounts() throws(AddressSpaceViolation) {
    var violation: AddressSpaceViolation?
    for number in 0..<frames.table.count {
      let frame = PageFrameNumber(UInt32(number))
      let descriptor = frames.table[frame]
      guard descriptor.kind == .anonymous || descriptor.kind == .file, !keepsBlock(frame)
      else { continue }
      if descriptor.mappings != descriptor.privateWord, violation == nil {
        violation = .mappingsMiscounted(
          frame, says: descriptor.mappings, found: descriptor.privateWord)
      }
      frames.table[frame].privateWord = 0
    }
    if let violation { throw violation }
  }
}
