// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryUnits
import PageFrames
import PageTableFormats

/// Frames that page tables no longer lead to, kept until no CPU can reach them either.
///
/// An unmapped frame may still be in a CPU's cache of translations, and so may a table that was
/// taken out. So they are collected, then the caches are flushed, then they are freed. A batch
/// that is full does this by itself.
///
/// Context: its address space is the current one, or no CPU's; the batch may not outlive a sleep.
///
/// Linux: `struct mmu_gather`.
public struct UnmapBatch<M: Machine>: ~Copyable {
  private let tables: PageTables<M>
  private var held = InlineArray<32, PageFrameNumber>(repeating: PageFrameNumber(0))
  private var heldCount = 0
  /// Whether more came than fit at once.
  private var isLong = false
  /// The first of the tables, linked through `next` of their descriptors; 0 for none.
  private var firstTable: UInt32 = 0
  /// The lowest and highest page whose translation was taken since the last flush.
  private var lowest = PageNumber(.max)
  private var highest = PageNumber(0)

  public init(_ tables: PageTables<M>) { self.tables = tables }

  deinit {
    precondition(heldCount == 0 && firstTable == 0, "an unmap batch without an end")
  }

  /// Adds the frame of a leaf that was taken out; the batch lets go of one reference to it.
  @inline(__always)
  public mutating func add(_ frame: PageFrameNumber, at address: VirtualAddress) {
    if heldCount == held.count { makeRoom() }
    held[heldCount] = frame
    heldCount += 1
    note(address)
  }

  /// Says that a translation was taken out or narrowed whose frame stays with somebody else.
  public mutating func note(_ address: VirtualAddress) {
    lowest = min(lowest, address.page)
    highest = max(highest, address.page)
  }

  /// Adds a table that no entry leads to any more, and that holds nothing.
  mutating func add(table: PageFrameNumber) {
    tables.frames.table[table].next = firstTable
    firstTable = table.value
  }

  /// Flushes what was noted, then frees what was collected. Linux: `tlb_flush_mmu()`.
  @inline(never)  // Out of the adding loop's registers: a page of fork-64m is 20 more inlined.
  public mutating func flush() {
    flushTranslations()
    if heldCount > 0 { tables.frames.release(held.span.extracting(..<heldCount)) }
    heldCount = 0
    freeTables()
  }

  /// Flushes, and frees all but the beginning of an aligned block that what follows may complete:
  /// whole blocks go back for a fraction of what their parts take.
  @inline(never)  // As `flush`.
  private mutating func makeRoom() {
    isLong = true
    flushTranslations()
    let first = held.count - unfinishedCount
    tables.frames.release(held.span.extracting(..<first))
    freeTables()
    heldCount = 0
    for place in first..<held.count {
      held[heldCount] = held[place]
      heldCount += 1
    }
  }

  /// How many of the last frames are a run, upwards or downwards, of an aligned block's first part.
  private var unfinishedCount: Int {
    let size = UInt32(held.count)
    let last = held[held.count - 1].value
    let isUpwards = held[held.count - 2].value < last
    let count = Int(isUpwards ? (last + 1) % size : (size - last % size) % size)
    if count == 0 { return 0 }
    let distance = UInt32(count - 1)
    let first = held[held.count - count].value
    return first == (isUpwards ? last &- distance : last &+ distance) ? count : 0
  }

  /// Flushes and frees the rest. Linux: `tlb_finish_mmu()`.
  public consuming func finish() {
    flush()
    if isLong { tables.frames.trimCPULists() }
  }

  private mutating func freeTables() {
    while firstTable != 0 {
      let frame = PageFrameNumber(firstTable)
      firstTable = tables.frames.table[frame].next
      tables.frames.freeZeroed(.adopt(frame))
    }
  }

  private mutating func flushTranslations() {
    if firstTable != 0 {
      tables.machine.flush(.space)
    } else if lowest <= highest {
      tables.flush(from: lowest.address, highest - lowest + PageCount(1))
    }
    lowest = PageNumber(.max)
    highest = PageNumber(0)
  }
}
