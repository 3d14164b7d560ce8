// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures
import KernelHeap
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames
import PageTableFormats
import PageTables

/// The verbs on address spaces: areas, the mmap family, faults, copy-on-write, the page cache.
///
/// A value of one reference. No verb mutates it; state is in heap objects, the frame table and
/// `MemoryState`. All of it runs under the kernel lock, which is released at each sleep: a verb
/// that says `Context: may sleep` holds no span, cursor or unfinished change over the sleep.
///
/// Linux: `mm/mmap.c`, `mm/memory.c`, `mm/rmap.c`, `mm/filemap.c`.
public struct AddressSpaces<Environment: MemoryEnvironment>: BitwiseCopyable {
  public let environment: Environment

  public init(_ environment: Environment) { self.environment = environment }

  typealias Format = Environment.Hardware.Format

  var machine: Environment.Hardware { environment.machine }
  var frames: PageFrames<Environment.Hardware> { environment.frames }
  var heap: ObjectHeap<Environment.Hardware> { environment.heap }
  var tables: PageTables<Environment.Hardware> { environment.tables }
  var memory: Resident<MemoryState> { environment.memory }

  /// An empty address space that shares the kernel's half.
  ///
  /// - Throws: `outOfMemory`.
  /// - Context: may reclaim.
  public func makeSpace() throws(MemoryError) -> Reference<AddressSpace> {
    let kernelRoot = memory.value.kernelRoot
    let root = try relieved { () throws(AllocationError) in
      try tables.makeRoot(sharing: kernelRoot)
    }
    do {
      return try allocate(AddressSpace(root: root))
    } catch {
      tables.freeRoot(root)
      throw error
    }
  }

  /// Counts one more task that runs in the space.
  public func retain(_ space: Reference<AddressSpace>) { heap[space].users += 1 }

  /// Counts one task less; the last one takes the space's memory with it.
  ///
  /// - Precondition: the space's page table is not the active one, if this is the last task.
  /// - Returns: whether the space is gone.
  /// - Complexity: O(areas + mapped pages), if it was the last.
  @discardableResult
  public func release(_ space: Reference<AddressSpace>) -> Bool {
    heap[space].users -= 1
    guard heap[space].users == 0 else { return false }
    clear(space)
    tables.freeRoot(heap[space].root)
    heap.free(space)
    return true
  }

  /// Makes the space the current one.
  public func activate(_ space: Reference<AddressSpace>) {
    machine.activate(root: heap[space].root)
  }

  /// Unmaps everything. Linux: `exit_mmap()`.
  public func clear(_ space: Reference<AddressSpace>) {
    unmapPages(of: space, from: PageNumber(0), to: userEnd)
    var areas = heap[space].areas
    heap[space].areas = OrderedTree()
    heap[space].areaCount = 0
    heap[space].lastFound = Link(nil)
    areas.removeAll(in: areaLinks) { dispose(of: $0) }
  }

  /// The first page that no area may hold.
  var userEnd: PageNumber { Format.userLimit.page }

  /// Allocates a kernel object, reclaiming if need be.
  func allocate<T: HeapObject>(_ initial: T) throws(MemoryError) -> Reference<T> {
    try relieved { () throws(AllocationError) in try heap.allocate(initial) }
  }

  /// Allocates one frame for a program's page, reclaiming if need be.
  ///
  /// - Context: may reclaim; does not sleep.
  func allocateFrame(
    _ kind: FrameKind, content: FrameRequest.Content
  ) throws(MemoryError) -> PageFrameNumber {
    do {
      return try frames.allocate(
        frameRequest(kind, content: content), relief: environment
      ).surrender()
    } catch {
      throw .outOfMemory
    }
  }

  /// What is asked for a page of a program or of a file. Linux: `GFP_HIGHUSER_MOVABLE`.
  func frameRequest(_ kind: FrameKind, content: FrameRequest.Content) -> FrameRequest {
    FrameRequest(
      order: .zero, kind: kind, zoneLimit: .highMemory, mobility: .movable, content: content)
  }

  /// Runs an allocation again for as long as reclaim makes progress.
  func relieved<Result>(
    _ body: () throws(AllocationError) -> Result
  ) throws(MemoryError) -> Result {
    while true {
      do {
        return try body()
      } catch {
        // One that fails on purpose does so for good. Linux: `should_failslab()`.
        guard error == .outOfMemory else { throw .outOfMemory }
        let shortfall = Shortfall(order: .zero, zoneLimit: .normal, kind: .slab)
        guard case .progress = environment.relieve(shortfall) else { throw .outOfMemory }
      }
    }
  }

  func record(
    _ kind: EventKind, detail: UInt16 = 0, frame: UInt32 = 0, owner: UInt32 = 0,
    value: UInt64 = 0
  ) {
    machine.record(
      MemoryEvent(
        kind, detail: detail, process: environment.currentProcess, frame: frame, owner: owner,
        value: value))
  }
}
