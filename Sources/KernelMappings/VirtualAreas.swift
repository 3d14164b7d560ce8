// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures
import KernelHeap
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames
import PageTableFormats
import PageTables

/// Why an address cannot be given back.
public enum VirtualAreaError: Error, Sendable, BitwiseCopyable {
  /// No area begins there. Linux: `Trying to vfree() nonexistent vm area`.
  case notAllocated
  /// One does, but it came from another verb.
  case otherPurpose
}

/// Virtually contiguous memory of the kernel from scattered frames.
///
///     allocate ── lowest gap ── a frame per page ── page table
///     free ────── page table emptied ── lazy: frames and addresses wait for a flush
///     purge ───── one flush for all that is lazy ── frames and addresses are free
///
/// One page that nothing maps lies behind each area, and one before the first. A value that is a
/// reference. Context of all verbs: the kernel lock is held, none sleeps.
///
/// Linux: `mm/vmalloc.c`.
public struct VirtualAreas<M: Machine>: BitwiseCopyable {
  let tables: PageTables<M>
  let heap: ObjectHeap<M>
  /// The kernel's root.
  let root: PageFrameNumber
  /// The addresses there are.
  let first: PageNumber
  let limit: PageNumber
  let state: Resident<VirtualAreaState>

  /// - Parameter pageCount: the pages of the window.
  /// - Precondition: every address space will see what is mapped in the window.
  init(
    tables: PageTables<M>, heap: ObjectHeap<M>, root: PageFrameNumber, window: VirtualAddress,
    pageCount: PageCount
  ) throws(AllocationError) {
    self.tables = tables
    self.heap = heap
    self.root = root
    first = window.page + PageCount(1)
    limit = window.page + pageCount
    let request = FrameRequest(kind: .plain, content: .zeroed)
    let frame = try tables.frames.allocate(request).surrender()
    state = Resident(placing: VirtualAreaState(), in: tables.machine.directMap.frame(frame))
  }

  var links: VirtualAreaLinks<M> { VirtualAreaLinks(heap: heap) }
  private var frames: PageFrames<M> { tables.frames }

  // Counters

  /// Pages of areas that are in use.
  public var usedPageCount: PageCount { state.value.usedPages }
  /// Those with memory of their own, stacks included. Linux: `VmallocUsed`.
  public var memoryPageCount: PageCount { state.value.memoryPages }
  /// Pages that wait for a flush. Linux: `vmap_lazy_nr`.
  public var lazyPageCount: PageCount { state.value.lazyPages }
  /// Areas in use.
  public var areaCount: Int { state.value.usedCount }

  /// Lazy pages beyond which everything is purged: as many as Linux lets be, on a small machine
  /// a sixty-fourth of its memory, since here their frames wait with them.
  ///
  /// Linux: `lazy_max_pages()`.
  public var lazyLimit: PageCount {
    min(PageCount(8192), PageCount(frames.managedPageCount.value / 64))
  }

  // Verbs

  /// Maps new memory. Linux: `vmalloc()`, `vzalloc()`.
  ///
  /// - Parameter size: in bytes; a page that is begun is given whole.
  /// - Throws: `zeroSize`; `tooLarge` for more than all memory; `outOfMemory`; what the page
  ///   allocator throws. Nothing is left behind.
  /// - Complexity: O(pages + log areas).
  public func allocate(
    _ size: ByteCount, content: FrameRequest.Content = .zeroed,
    protection: Protection = .readWrite, caller: StaticString = #function
  ) throws(AllocationError) -> VirtualAddress {
    let request = FrameRequest(kind: .plain, zoneLimit: .highMemory, content: content)
    return try allocate(size, purpose: .memory, request, protection, caller)
  }

  func allocate(
    _ size: ByteCount, purpose: VirtualAreaPurpose, _ request: FrameRequest,
    _ protection: Protection, _ caller: StaticString
  ) throws(AllocationError) -> VirtualAddress {
    guard size > .zero else { throw .zeroSize }
    let needed = size.pagesRoundedUp
    guard needed <= frames.managedPageCount else { throw .tooLarge }
    let area = try reserve(needed, purpose, caller)
    do throws(AllocationError) {
      var cursor = tables.cursor(root, at: heap[area].start.address)
      for _ in 0..<needed.value {
        try cursor.makeTables()
        try cursor.set(try frames.allocate(request).surrender(), protection.union(.global))
        cursor.moveToNextPage()
      }
    } catch {
      release(area)
      throw error
    }
    return heap[area].start.address
  }

  /// Maps frames that the caller has, one after the other; each is held until it is unmapped and
  /// no CPU can reach it. Linux: `vmap()`.
  ///
  /// - Throws: as `allocate`.
  public func map(
    _ list: Span<PageFrameNumber>, _ protection: Protection = .readWrite,
    caller: StaticString = #function
  ) throws(AllocationError) -> VirtualAddress {
    guard list.count > 0 else { throw .zeroSize }
    let area = try reserve(PageCount(list.count), .frames, caller)
    do throws(AllocationError) {
      var cursor = tables.cursor(root, at: heap[area].start.address)
      for index in list.indices {
        try cursor.set(list[index], protection.union(.global))
        frames.retain(list[index])
        cursor.moveToNextPage()
      }
    } catch {
      release(area)
      throw error
    }
    return heap[area].start.address
  }

  /// Maps device registers, or memory that no zone has. Linux: `ioremap()` and its kin.
  ///
  /// - Parameters:
  ///   - start: need not begin a page; the address returned is as far into its page.
  ///   - caching: what the CPU may keep.
  /// - Throws: as `allocate`.
  public func mapDevice(
    at start: PhysicalAddress, _ size: ByteCount, caching: DeviceCaching = .none,
    caller: StaticString = #function
  ) throws(AllocationError) -> VirtualAddress {
    guard size > .zero else { throw .zeroSize }
    let offset = start.offsetInFrame
    let needed = (size + offset).pagesRoundedUp
    let area = try reserve(needed, .device, caller)
    heap[area].device = start.frame.address
    let attributes = Protection.uncounted.union(caching.protection)
    do throws(AllocationError) {
      var cursor = tables.cursor(root, at: heap[area].start.address)
      for page in 0..<needed.value {
        try cursor.set(
          start.frame + PageCount(page), Protection.readWrite.union(.global).union(attributes))
        cursor.moveToNextPage()
      }
    } catch {
      release(area)
      throw error
    }
    return heap[area].start.address + offset
  }

  /// Unmaps what `allocate` gave. Linux: `vfree()`.
  ///
  /// - Throws: if it did not come from there; nothing is changed then.
  public func free(_ address: VirtualAddress) throws(VirtualAreaError) {
    release(try area(at: address, .memory))
  }

  /// Unmaps what `map` gave. Linux: `vunmap()`.
  ///
  /// - Throws: if it did not come from there; nothing is changed then.
  public func unmap(_ address: VirtualAddress) throws(VirtualAreaError) {
    release(try area(at: address, .frames))
  }

  /// Unmaps what `mapDevice` gave. Linux: `iounmap()`.
  ///
  /// - Throws: if it did not come from there; nothing is changed then.
  public func unmapDevice(_ address: VirtualAddress) throws(VirtualAreaError) {
    release(try area(at: address.page.address, .device))
  }

  /// Where a byte of an area is. Linux: `vmalloc_to_page()`.
  public func translate(_ address: VirtualAddress) -> PhysicalAddress? {
    guard address.page >= first, address.page < limit else { return nil }
    guard let found = tables.translate(root, address) else { return nil }
    return found.leaf.frame.address + address.offsetInPage
  }

  /// The area that begins at an address.
  func area(
    at address: VirtualAddress, _ purpose: VirtualAreaPurpose
  ) throws(VirtualAreaError) -> Reference<VirtualArea> {
    guard let area = find(address.page), address.isPageAligned, !heap[area].isLazy else {
      throw .notAllocated
    }
    guard heap[area].purpose == purpose else { throw .otherPurpose }
    return area
  }

  /// Calls with each area in use, lowest first. Linux: `vmalloc_info_show()`.
  public func visit(_ body: (VirtualAreaDescription) -> Void) {
    visitAll { if !$0.isLazy { body($0) } }
  }

  /// Calls with each area that waits for a flush. Linux: `show_purge_info()`.
  public func visitLazy(_ body: (VirtualAreaDescription) -> Void) {
    visitAll { if $0.isLazy { body($0) } }
  }

  private func visitAll(_ body: (VirtualAreaDescription) -> Void) {
    var next = state.value.tree.first(in: links)
    while let area = next {
      body(VirtualAreaDescription(heap[area]))
      next = state.value.tree.next(after: area, in: links)
    }
  }
}

/// An area as it is listed.
public struct VirtualAreaDescription: Sendable, BitwiseCopyable {
  public let start: VirtualAddress
  /// Without the guard page.
  public let pageCount: PageCount
  public let purpose: VirtualAreaPurpose
  /// Of a device: where its registers are.
  public let device: PhysicalAddress
  /// Who asked for it.
  public let caller: StaticString
  let isLazy: Bool

  init(_ area: VirtualArea) {
    start = area.start.address
    pageCount = area.pageCount
    purpose = area.purpose
    device = area.device
    caller = area.caller
    isLazy = area.isLazy
  }
}

/// What the areas share.
struct VirtualAreaState: BitwiseCopyable {
  /// All areas, lazy ones included.
  var tree = OrderedTree<Reference<VirtualArea>>()
  var firstLazy = Link<VirtualArea>.none
  var lazyPages = PageCount.zero
  var usedPages = PageCount.zero
  var memoryPages = PageCount.zero
  var usedCount = 0
  /// Pages of each level in the direct map. Linux: `direct_pages_count`.
  var directPageCounts = InlineArray<3, Int>(repeating: 0)
  /// The direct map stays in base pages.
  var keepsBasePages = false
  /// Tasks that have a stack.
  var stackCount = 0
  /// The lowest addresses of stacks kept for the next tasks. Linux: `cached_stacks`.
  var keptStacks = InlineArray<2, VirtualAddress?>(repeating: nil)
}
