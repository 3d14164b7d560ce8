// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryEvents
import MemoryUnits
import PageFrames
import PageTableFormats

/// The page tables of a machine: roots, tables below them, and cursors that write their entries.
///
/// A value that is a reference: copies are the same tables. What it keeps of a table is in the
/// descriptor of the table's frame, whose words are its own:
///
///     privateWord   entries in use (of a root: those of the user's half, or all of the kernel's)
///     previous      of a root: the tables below it in its own half
///     next          of a root: the root whose kernel half it shares, 0 for none
///
/// Every root shares the tables of the kernel's half by copies of the root entries, so whoever
/// changes that half makes all tables just below the root before the first copy.
///
/// Linux: `pgd_t` to `pte_t`, `mm/pgtable-generic.c`.
public struct PageTables<M: Machine>: BitwiseCopyable {
  public let frames: PageFrames<M>

  public init(frames: PageFrames<M>) { self.frames = frames }

  public var machine: M { frames.machine }

  /// Makes an empty root; the kernel's half is that of another root, if there is one already.
  ///
  /// Linux: `pgd_alloc()`.
  ///
  /// - Throws: what the page allocator throws; nothing is left behind.
  /// - Context: any; never sleeps.
  public func makeRoot(
    sharing kernelRoot: PageFrameNumber?
  ) throws(AllocationError) -> PageFrameNumber {
    let root = try allocateTable()
    guard let kernelRoot else { return root }
    let offset = M.Format.firstKernelIndex * M.Format.entryByteCount
    let end = M.Format.entryCount(level: M.Format.rootLevel) * M.Format.entryByteCount
    machine.directMap.frame(root).copy(
      from: machine.directMap.frame(kernelRoot), at: offset, to: offset,
      byteCount: end - offset)
    frames.table[root].next = kernelRoot.value
    return root
  }

  /// Gives a root back, with the tables that are left in the user's half.
  ///
  /// Linux: `free_pgtables()`, `pgd_free()`.
  ///
  /// - Precondition: the user's half maps nothing; no CPU uses the root.
  public func freeRoot(_ root: PageFrameNumber) {
    if frames.table[root].previous != 0 { freeTables(in: root) }
    frames.free(.adopt(root))
  }

  /// What an address is mapped to, by a walk from the root, and the level of the leaf.
  ///
  /// - Complexity: O(levels).
  public func translate(
    _ root: PageFrameNumber, _ address: VirtualAddress
  ) -> (leaf: DecodedEntry.Leaf, level: Int)? {
    var table = root
    var level = M.Format.rootLevel
    while true {
      let entry = entries(table)[M.Format.index(of: address, level: level)]
      switch M.Format.decode(entry, level: level) {
      case .empty, .software: return nil
      case .leaf(let leaf): return (leaf, level)
      case .table(let below): table = below
      }
      level -= 1
    }
  }

  /// A cursor at an address. One walk; see `PageTableCursor`.
  public func cursor(
    _ root: PageFrameNumber, at address: VirtualAddress
  ) -> PageTableCursor<M> {
    PageTableCursor(self, root: root, at: address)
  }

  /// The tables that a root keeps for itself, its own frame left out. Linux: `mm->pgtables_bytes`.
  public func tableCount(_ root: PageFrameNumber) -> PageCount {
    PageCount(Int(frames.table[root].previous))
  }

  /// Makes CPUs forget the translations of a run of pages: each page, or all if they are many.
  ///
  /// Linux: `flush_tlb_range()`.
  public func flush(from first: VirtualAddress, _ count: PageCount) {
    guard count.value <= Self.singleFlushLimit else {
      return machine.flush(first < M.Format.userLimit ? .space : .everything)
    }
    for index in 0..<count.value {
      machine.flush(.page(first + PageCount(index).bytes))
    }
  }

  /// Linux: `tlb_single_page_flush_ceiling`.
  static var singleFlushLimit: Int { 33 }

  func entries(_ table: PageFrameNumber) -> EntryTable<M.Format> {
    EntryTable(words: machine.directMap.words(of: table))
  }

  /// A table without entries, that nothing leads to yet.
  func allocateTable() throws(AllocationError) -> PageFrameNumber {
    try frames.allocate(FrameRequest(kind: .pageTable, content: .zeroed)).surrender()
  }

  /// Frees every table of a user half that maps nothing.
  private func freeTables(in root: PageFrameNumber) {
    var batch = UnmapBatch(self)
    let table = entries(root)
    for index in 0..<M.Format.firstKernelIndex {
      let entry = table[index]
      if entry == 0 { continue }
      table[index] = 0
      freeTable(entry, level: M.Format.rootLevel, into: &batch)
    }
    batch.finish()
  }

  /// Adds the table that an entry leads to, and those below it.
  private func freeTable(_ entry: UInt64, level: Int, into batch: inout UnmapBatch<M>) {
    guard case .table(let frame) = M.Format.decode(entry, level: level) else {
      preconditionFailure("a root is freed that still maps something")
    }
    if frames.table[frame].privateWord != 0 {
      let table = entries(frame)
      for index in 0..<M.Format.entryCount(level: level - 1) where table[index] != 0 {
        freeTable(table[index], level: level - 1, into: &batch)
        table[index] = 0
      }
    }
    batch.add(table: frame)
  }
}
