// SPDX-License-Identifier: Apache-2.0

import KernelHeap
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames
import PageTableFormats
import PageTables

/// The kernel's own page table: the half that every address space shares.
///
///     ffff888000000000  direct map: all RAM, writable, never executed; what of the image is
///                       not writable is not writable here either; device registers, uncached
///     ffffc90000000000  areas: kernel stacks and other memory page by page, guard pages between
///     ffffffff80000000  the image: text, constants, data, each with its rights
///
/// Built in this order, and then changed for areas only: `init`, `mapImage` for each part,
/// `mapMemory` for each run of RAM, `mapDevice`, `activate`, then the first program's root. The
/// direct map's rights may change later (`protectDirectMap`), its places never.
///
/// A value that is a reference. Context of all verbs: the kernel lock is held, none sleeps.
///
/// Linux: `init_mem_mapping()`, `mark_rodata_ro()`, `alloc_thread_stack_node()`.
public struct KernelMappings<M: Machine>: BitwiseCopyable {
  public let tables: PageTables<M>
  public let layout: KernelLayout
  /// The root that all others share the kernel's half of. Linux: `swapper_pg_dir`.
  public let root: PageFrameNumber
  /// Memory mapped page by page, kernel stacks included.
  public let areas: VirtualAreas<M>
  /// The level of the largest pages in the direct map.
  public let largestLevel: Int

  /// Makes the root, and the tables that must be there before it is shared.
  ///
  /// - Parameter largestLevel: of the pages that the CPU has; those in the root are not used,
  ///   since copies of it would not see them change.
  /// - Throws: what the page allocator throws; the machine is too small then.
  public init(
    tables: PageTables<M>, heap: ObjectHeap<M>, layout: KernelLayout, largestLevel: Int = 1
  ) throws(AllocationError) {
    self.tables = tables
    self.layout = layout
    self.largestLevel = min(largestLevel, M.Format.rootLevel - 1)
    root = try tables.makeRoot(sharing: nil)
    areas = try VirtualAreas(
      tables: tables, heap: heap, root: root, window: layout.areas, pageCount: layout.areaPages)
    try makeSharedTables(from: layout.areas, layout.areaPages)
  }

  /// Maps a part of the kernel's image where it was linked.
  ///
  /// What of it is not writable is mapped without that right in the direct map too, so that
  /// nobody changes it from there.
  ///
  /// - Precondition: not both writable and executable; before the RAM that it lies in.
  public func mapImage(
    _ part: MappedRange, _ protection: Protection
  ) throws(AllocationError) {
    precondition(
      !protection.isSuperset(of: .write.union(.execute)), "a page to write and execute")
    try mapPages(part, protection.union(.global))
    guard !protection.contains(.write) else { return }
    try mapPages(direct(part.start, part.byteCount), .read.union(.global))
    countDirectPages(level: 0, part.byteCount.pagesRoundedUp.value)
  }

  /// Maps device registers at the direct map's distance, uncached.
  ///
  /// Linux: `ioremap()`.
  public func mapDevice(
    at start: PhysicalAddress, _ size: ByteCount
  ) throws(AllocationError) {
    try mapPages(
      direct(start, size), .readWrite.union(.global).union(.device).union(.uncounted))
  }

  /// Makes the kernel's page table the current one, and forgets the one before.
  ///
  /// From here on no address is where it is in memory: the map with which the machine began is
  /// gone, and programs will have their half to themselves.
  public func activate() {
    var cursor = tables.cursor(root, at: VirtualAddress(0))
    precondition(
      !cursor.findOccupied(before: M.Format.userLimit), "something is mapped in programs' half")
    tables.machine.activate(root: root)
    tables.machine.flush(.everything)
  }

  /// The kernel stacks that are in use. Linux: `NR_KERNEL_STACK_KB`.
  public var stackCount: Int { areas.state.value.stackCount }

  func direct(_ start: PhysicalAddress, _ size: ByteCount) -> MappedRange {
    MappedRange(
      address: layout.directMap + ByteCount(start.value), start: start, byteCount: size)
  }

  private func mapPages(
    _ range: MappedRange, _ protection: Protection
  ) throws(AllocationError) {
    var cursor = tables.cursor(root, at: range.address)
    for page in 0..<range.byteCount.pagesRoundedUp.value {
      try cursor.set(range.start.frame + PageCount(page), protection)
      cursor.moveToNextPage()
    }
  }

  /// Makes the tables just below the root for a range, so that copies of the root see all that
  /// is mapped there later.
  private func makeSharedTables(
    from start: VirtualAddress, _ pageCount: PageCount
  ) throws(AllocationError) {
    let size = M.Format.pageSize(level: M.Format.rootLevel)
    let last = (start.page + pageCount).value - 1
    var page = start.page.value
    while page <= last {
      var cursor = tables.cursor(root, at: PageNumber(page).address)
      try cursor.makeTables(downTo: M.Format.rootLevel - 1)
      page = (page | (size.bytes / PageSize.base.bytes - 1)) + 1
    }
  }
}
