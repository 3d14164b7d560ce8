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
/// Built in this order, then never changed except for areas: `init`, `mapImage` for each part,
/// `mapMemory` for each run of RAM, `mapDevice`, `activate`, then the first program's root.
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

  /// Makes the root, and the tables that must be there before it is shared.
  ///
  /// - Throws: what the page allocator throws; the machine is too small then.
  public init(
    tables: PageTables<M>, heap: ObjectHeap<M>, layout: KernelLayout
  ) throws(AllocationError) {
    self.tables = tables
    self.layout = layout
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
  }

  /// Maps RAM into the direct map: large pages where they fit, base pages at the edges.
  ///
  /// What is mapped already, such as a part of the image, stays as it is. A page that is begun
  /// is mapped whole.
  public func mapMemory(
    from start: PhysicalAddress, _ size: ByteCount
  ) throws(AllocationError) {
    let first = PhysicalAddress(start.value & ~(PageSize.base.bytes - 1))
    let range = direct(first, size + (start - first))
    let large = M.Format.pageSize(level: 1).bytes
    let protection = Protection.readWrite.union(.global)
    let end = range.address + range.byteCount.pagesRoundedUp.bytes
    var cursor = tables.cursor(root, at: range.address)
    while cursor.address < end {
      let rest = (end - cursor.address).value
      let frame = (first + (cursor.address - range.address)).frame
      if cursor.level > 0, rest >= large, isAligned(cursor.address, frame, large) {
        if !cursor.isOccupied { try cursor.setLarge(frame, protection, level: 1) }
        guard let next = cursor.address.advanced(by: ByteCount(large)) else { return }
        cursor.move(to: next)
      } else {
        if !cursor.isOccupied { try cursor.set(frame, protection) }
        cursor.moveToNextPage()
      }
    }
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
  public func activate() {
    tables.machine.activate(root: root)
    tables.machine.flush(.everything)
  }

  /// The kernel stacks that are in use. Linux: `NR_KERNEL_STACK_KB`.
  public var stackCount: Int { areas.state.value.stackCount }

  private func isAligned(
    _ address: VirtualAddress, _ frame: PageFrameNumber, _ size: UInt64
  ) -> Bool {
    (address.value | frame.address.value) & (size - 1) == 0
  }

  private func direct(_ start: PhysicalAddress, _ size: ByteCount) -> MappedRange {
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
