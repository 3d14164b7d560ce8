// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryEvents
import MemoryUnits
import PageFrames
import PageTableFormats

/// A half of the addresses: a program's own, or the kernel's, which all programs share.
public enum AddressHalf: Sendable, BitwiseCopyable { case user, kernel }

/// What must never be found in a page table.
public enum PageTableViolation: Error, Equatable, Sendable, BitwiseCopyable {
  /// A page of the kernel's half that can be written and executed, where the hardware can tell
  /// the two apart. Programs may ask for such pages: their areas decide, not this check.
  case writableAndExecutable(VirtualAddress)
  /// A page of the kernel's half that programs can use.
  case userPageInKernelHalf(VirtualAddress)
  /// A page of a program's half that it cannot use.
  case kernelPageInUserHalf(VirtualAddress)
  /// A table whose count of entries in use is wrong.
  case entriesMiscounted(table: PageFrameNumber)
  /// A root whose count of tables is wrong.
  case tablesMiscounted(root: PageFrameNumber)
  /// An entry leads to a frame that is no page table.
  case notATable(PageFrameNumber, at: VirtualAddress)
}

extension PageTables {
  /// Visits every leaf of one half of a root, in the order of addresses, and checks the tables.
  ///
  /// Linux: `ptdump_check_wx()` for a part of it.
  ///
  /// - Parameter visit: gets address, leaf and level of each; its own checks are the caller's.
  /// - Throws: the first violation; what comes after it is not visited.
  /// - Complexity: O(entries of all tables).
  public func check(
    _ root: PageFrameNumber, _ half: AddressHalf,
    visit: (VirtualAddress, DecodedEntry.Leaf, Int) -> Void
  ) throws(PageTableViolation) {
    let level = M.Format.rootLevel
    let middle = M.Format.firstKernelIndex
    let own = half == .user ? 0..<middle : middle..<M.Format.entryCount(level: level)
    var walk = TableWalk(half: half)
    let used = try check(root, level: level, own, base: 0, &walk, visit)

    // A root that shares the kernel's half counts only what is its own.
    let descriptor = frames.table[root]
    let sharesKernel = descriptor.next != 0
    if half == .kernel && sharesKernel { return }
    var other = 0
    if !sharesKernel {
      let table = entries(root)
      let rest = half == .user ? middle..<M.Format.entryCount(level: level) : 0..<middle
      for index in rest where table[index] != 0 { other += 1 }
    }
    if used + other != descriptor.privateWord { throw .entriesMiscounted(table: root) }
    if other == 0, walk.tableCount != descriptor.previous {
      throw .tablesMiscounted(root: root)
    }
  }

  /// Checks a range of one table's entries and all below; returns how many are in use.
  private func check(
    _ frame: PageFrameNumber, level: Int, _ range: Range<Int>, base: UInt64,
    _ walk: inout TableWalk, _ visit: (VirtualAddress, DecodedEntry.Leaf, Int) -> Void
  ) throws(PageTableViolation) -> Int {
    let table = entries(frame)
    var used = 0
    for index in range {
      let entry = table[index]
      if entry == 0 { continue }
      used += 1
      let bits = base | UInt64(index) &<< M.Format.pageSize(level: level).shift
      let address = M.Format.canonical(bits)
      switch M.Format.decode(entry, level: level) {
      case .empty, .software: break
      case .leaf(let leaf):
        try check(leaf, at: address, walk.half)
        visit(address, leaf, level)
      case .table(let below):
        guard frames.table.contains(below), frames.table[below].kind == .pageTable else {
          throw .notATable(below, at: address)
        }
        walk.tableCount += 1
        let all = 0..<M.Format.entryCount(level: level - 1)
        let count = try check(below, level: level - 1, all, base: bits, &walk, visit)
        if count != frames.table[below].privateWord { throw .entriesMiscounted(table: below) }
      }
    }
    return used
  }

  private func check(
    _ leaf: DecodedEntry.Leaf, at address: VirtualAddress, _ half: AddressHalf
  ) throws(PageTableViolation) {
    let protection = leaf.protection
    guard half == .kernel else {
      if !protection.contains(.user) { throw .kernelPageInUserHalf(address) }
      return
    }
    if protection.contains(.user) { throw .userPageInKernelHalf(address) }
    if M.Format.hasNoExecute, protection.isSuperset(of: .write.union(.execute)) {
      throw .writableAndExecutable(address)
    }
  }
}

/// What a check has seen so far.
private struct TableWalk {
  let half: AddressHalf
  var tableCount = 0
}
