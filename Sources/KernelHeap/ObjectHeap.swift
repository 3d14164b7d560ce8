// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames

/// The kernel's objects: one slab cache per type, reached by `heap[reference]`.
///
/// A value that is a reference: copies are the same heap. Any CPU may call any verb.
///
///     allocate ── this CPU's list ── its spare ── a partial slab ── a new slab
///     free ────── this CPU's list ── its spare ── the object's slab ── empty: its frames
///
/// The first step of each takes no lock, since a CPU's lists are reached by that CPU alone. In the
/// other designs the lists stay empty, and each call takes the slow path from there. All
/// of the core's conversion of bytes into objects is in this type's files.
///
/// Linux: mm/slub.c, `kmem_cache_alloc()`, `kmem_cache_free()`.
@safe
public struct ObjectHeap<M: Machine>: BitwiseCopyable, @unchecked Sendable {
  /// One word, so that a copy of the heap for a call costs an instruction.
  let state: Resident<HeapState<M>>

  /// Places the tables of all caches in boot memory; slabs come with the first allocations.
  ///
  /// - Throws: `outOfMemory` where the machine is too small for that.
  public init(
    frames: PageFrames<M>, memory: inout BootMemory, cpuCount: Int = 1,
    options: HeapOptions = HeapOptions(), liveness: Liveness = .untracked
  ) throws(AllocationError) {
    let design = options.design
    let machine = frames.machine
    let count = SlabCaches.count
    // SAFETY: references are divided physical addresses below the direct map's limit.
    let base = unsafe machine.directMap.block(
      at: PhysicalAddress(0), byteCount: ByteCount(machine.directMap.limit.value)
    ).unsafeBase
    let listBytes = MemoryLayout<CPUObjectList>.stride * count * cpuCount
    let listBlock = try memory.allocateBlock(ByteCount(UInt64(listBytes)), on: machine)
    let lists = ResidentArray(
      repeating: CPUObjectList(), count: count * cpuCount, in: listBlock)
    let classBlock = try memory.allocateBlock(ByteCount(UInt64(SizeClass.tableCount)), on: machine)
    for place in 0..<SizeClass.tableCount {
      let sizeClass = SizeClass(holding: place * 8 + 8)
      classBlock.store(UInt8(truncatingIfNeeded: sizeClass.cacheIndex), at: place)
    }
    let caches = try Self.makeCaches(count, &memory, machine)
    let arrays = try Self.makeArrays(design == .slab ? count * cpuCount : 0, &memory, machine)
    let unitsBytes = ByteCount(UInt64(Locked<UnitLists>.byteCount))
    let units = Locked(
      placing: UnitLists(), rank: .slabCache,
      in: try memory.allocateBlock(unitsBytes, on: machine))
    let stateBytes = ByteCount(UInt64(MemoryLayout<HeapState<M>>.size))
    state = Resident(
      // SAFETY: only kept.
      placing: unsafe HeapState(
        machine: machine, base: base, lists: lists,
        firstList: listBlock.unsafeBase.assumingMemoryBound(to: CPUObjectList.self),
        classes: classBlock.unsafeBase, frames: frames, table: frames.table,
        caches: caches, cpuCount: cpuCount, liveness: LivenessTable(liveness), design: design,
        isWatched: options.watches, arrays: arrays, units: units,
        idleByteCount: IdleByteCount(in: try memory.allocateBlock(ByteCount(64), on: machine)),
        watch: try Self.makeWatch(options, &memory, machine),
        flags: try Self.makeTable(0, &memory, machine),
        sizes: try Self.makeTable(0, &memory, machine),
        failures: try Self.makeFailures(options, &memory, machine)),
      in: try memory.allocateBlock(stateBytes, on: machine))
  }

  private static func makeWatch(
    _ options: HeapOptions, _ memory: inout BootMemory, _ machine: M
  ) throws(AllocationError) -> Resident<HeapWatch> {
    let byteCount = ByteCount(UInt64(MemoryLayout<HeapWatch>.size))
    return Resident(
      placing: HeapWatch(options: options), in: try memory.allocateBlock(byteCount, on: machine))
  }

  private static func makeFailures(
    _ options: HeapOptions, _ memory: inout BootMemory, _ machine: M
  ) throws(AllocationError) -> Locked<FailureInjection> {
    let byteCount = ByteCount(UInt64(Locked<FailureInjection>.byteCount))
    return Locked(
      placing: options.failures, rank: .failureInjection,
      in: try memory.allocateBlock(byteCount, on: machine))
  }

  /// A table with an element for each cache.
  private static func makeTable<Element: BitwiseCopyable>(
    _ element: Element, _ memory: inout BootMemory, _ machine: M
  ) throws(AllocationError) -> ResidentArray<Element> {
    let byteCount = ByteCount(UInt64(MemoryLayout<Element>.stride * SlabCaches.count))
    return ResidentArray(
      repeating: element, count: SlabCaches.count,
      in: try memory.allocateBlock(byteCount, on: machine))
  }

  private static func makeArrays(
    _ count: Int, _ memory: inout BootMemory, _ machine: M
  ) throws(AllocationError) -> ResidentArray<UInt32> {
    let bytes = max(count * ObjectArray.stride * MemoryLayout<UInt32>.stride, 64)
    return ResidentArray(
      repeating: 0, count: count * ObjectArray.stride,
      in: try memory.allocateBlock(ByteCount(UInt64(bytes)), on: machine))
  }

  private static func makeCaches(
    _ count: Int, _ memory: inout BootMemory, _ machine: M
  ) throws(AllocationError) -> ResidentArray<Locked<SlabCache>> {
    let stride = (Locked<SlabCache>.byteCount + 15) & ~15
    let block = try memory.allocateBlock(ByteCount(UInt64(stride * count)), on: machine)
    let handleBytes = MemoryLayout<Locked<SlabCache>>.stride * count
    let caches = ResidentArray(
      repeating: Locked(placing: SlabCache(), rank: .slabCache, in: block), count: count,
      in: try memory.allocateBlock(ByteCount(UInt64(handleBytes)), on: machine))
    for index in 1..<count {
      caches[index] = Locked(
        placing: SlabCache(), rank: .slabCache,
        in: block.part(from: stride * index, byteCount: stride))
    }
    return caches
  }

  var machine: M { state.value.machine }
  var base: UnsafeMutableRawPointer {
    // SAFETY: only handed on.
    unsafe state.value.base
  }
  var lists: ResidentArray<CPUObjectList> { state.value.lists }
  /// Where slabs come from.
  public var frames: PageFrames<M> { state.value.frames }
  var caches: ResidentArray<Locked<SlabCache>> { state.value.caches }
  var liveness: LivenessTable { state.value.liveness }
  var cpuCount: Int { state.value.cpuCount }
  /// How objects are kept. Linux: `CONFIG_SLUB`, `CONFIG_SLAB`, `CONFIG_SLOB`.
  public var design: HeapDesign { state.value.design }

  /// The object. An access lasts for one expression, since the object may be gone after a sleep.
  ///
  /// - Precondition: it was allocated and not freed.
  public subscript<T: HeapObject>(reference: Reference<T>) -> T {
    unsafeAddress {
      liveness.checkLive(reference.raw, T.cacheIndex)
      // SAFETY: an object of this type is there from `allocate` to `free`.
      return unsafe UnsafePointer(address(reference.raw).assumingMemoryBound(to: T.self))
    }
    nonmutating unsafeMutableAddress {
      liveness.checkLive(reference.raw, T.cacheIndex)
      // SAFETY: as above.
      return unsafe address(reference.raw).assumingMemoryBound(to: T.self)
    }
  }

  /// Makes an object. Linux: `kmem_cache_alloc()`.
  ///
  /// - Throws: `outOfMemory`.
  /// - Complexity: O(1) mostly.
  /// - Context: any; never sleeps; may take cache, list and zone locks.
  public func allocate<T: HeapObject>(
    _ initial: T, urgency: FrameRequest.Urgency = .normal, file: SourceFile = #fileID,
    line: UInt32 = #line
  ) throws(AllocationError) -> Reference<T> {
    let size = Self.byteCount(of: T.self)
    var raw = pop(T.cacheIndex)
    if raw == 0 {
      let place = CallPlace(file, line)
      raw = try allocateSlowly(T.cacheIndex, T.cacheName, size, urgency, place)
    }
    liveness.markLive(raw, T.cacheIndex, size, in: self)
    // SAFETY: the object belongs to nobody else, and a slab of this cache is cut to its size.
    unsafe address(raw).initializeMemory(as: T.self, to: initial)
    return Reference(unchecked: raw)
  }

  /// Makes an object, and lets somebody free memory as long as there is none.
  ///
  /// - Throws: `outOfMemory` once the relief made no progress; `injected` at once.
  /// - Context: may sleep, as the relief does; no lock held but the kernel's.
  public func allocate<T: HeapObject, R: PressureRelief>(
    _ initial: T, relief: R, file: SourceFile = #fileID, line: UInt32 = #line
  ) throws(AllocationError) -> Reference<T> {
    while true {
      do throws(AllocationError) {
        return try allocate(initial, file: file, line: line)
      } catch {
        guard error == .outOfMemory else { throw error }
        let shortfall = Shortfall(order: .zero, zoneLimit: .normal, kind: .slab)
        if relief.relieve(shortfall) == .none { throw error }
      }
    }
  }

  /// Ends an object. Linux: `kmem_cache_free()`.
  ///
  /// - Precondition: it was allocated and not freed.
  /// - Complexity: O(1) mostly.
  /// - Context: any; never sleeps; may take cache, list and zone locks.
  public func free<T: HeapObject>(
    _ reference: Reference<T>, file: SourceFile = #fileID, line: UInt32 = #line
  ) {
    put(reference.raw, T.cacheIndex, Self.byteCount(of: T.self), CallPlace(file, line))
  }

  /// The bytes from one object of a type to the next.
  static func byteCount<T: HeapObject>(of type: T.Type) -> Int {
    max((MemoryLayout<T>.stride + 7) & ~7, 8)
  }
}

/// Everything of the heap, behind one reference.
@safe
struct HeapState<M: Machine>: BitwiseCopyable {
  let machine: M
  /// Where physical address 0 is, or would be.
  let base: UnsafeMutableRawPointer
  /// By CPU and cache.
  let lists: ResidentArray<CPUObjectList>
  /// The same without a check of the index, for the first step of each call.
  let firstList: UnsafeMutablePointer<CPUObjectList>
  /// For each 8 bytes of a size the cache of its class.
  let classes: UnsafeMutableRawPointer
  let frames: PageFrames<M>
  /// That of the frames, a load nearer.
  let table: FrameTable
  let caches: ResidentArray<Locked<SlabCache>>
  let cpuCount: Int
  let liveness: LivenessTable
  let design: HeapDesign
  /// Each call takes the slow path, and that of `ObjectHeap+Watch`.
  let isWatched: Bool
  /// By CPU and cache, `ObjectArray.stride` words each; none but in `slab`.
  let arrays: ResidentArray<UInt32>
  /// In `slob`.
  let units: Locked<UnitLists>
  /// In `slub`.
  let idleByteCount: IdleByteCount
  let watch: Resident<HeapWatch>
  /// By cache: what is watched, and what an object was asked to hold.
  let flags: ResidentArray<UInt8>
  let sizes: ResidentArray<UInt32>
  let failures: Locked<FailureInjection>
}
