// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryEvents
import MemoryUnits
import PageFrames

// One CPU's lists, and the way from there into the design that the machine was started with.

extension ObjectHeap {
  func listIndex(_ cacheIndex: Int) -> Int {
    Int(machine.currentCPU.value) &* SlabCaches.count &+ cacheIndex
  }

  /// This CPU's list of a cache.
  func list(_ cacheIndex: Int) -> UnsafeMutablePointer<CPUObjectList> {
    // SAFETY: a CPU has `SlabCaches.count` lists, and caches have numbers below that.
    unsafe state.value.firstList + listIndex(cacheIndex)
  }

  /// Takes a free object off this CPU's list, 0 if it is empty.
  func pop(_ cacheIndex: Int) -> UInt32 {
    // SAFETY: only this CPU reaches its lists.
    let list = unsafe list(cacheIndex)
    let object = unsafe list.pointee.first
    if object == 0 { return 0 }
    unsafe list.pointee.first = freeLink(of: object, list.pointee.linkOffset)
    unsafe list.pointee.count &-= 1
    return object
  }

  /// The same, with the bytes of such an object.
  func popWithSize(_ cacheIndex: Int) -> (object: UInt32, byteCount: Int) {
    // SAFETY: only this CPU reaches its lists.
    (pop(cacheIndex), unsafe Int(list(cacheIndex).pointee.objectByteCount))
  }

  /// Puts an object on this CPU's list.
  func put(_ object: UInt32, _ cacheIndex: Int, _ size: Int, _ place: CallPlace) {
    liveness.markFree(object, cacheIndex, size, in: self)
    putUntracked(object, cacheIndex, size, place)
  }

  /// The same for objects that nobody tracks: those of caches made at run time.
  func putUntracked(_ object: UInt32, _ cacheIndex: Int, _ size: Int, _ place: CallPlace) {
    // SAFETY: as above.
    let list = unsafe list(cacheIndex)
    if unsafe list.pointee.count >= list.pointee.limit {
      return freeSlowly(object, cacheIndex, size, place)
    }
    unsafe push(object, list)
  }

  /// The same for bytes of a class, whose size is looked up where it is wanted.
  func putBytes(_ object: UInt32, _ cacheIndex: Int, _ place: CallPlace) {
    if liveness.isTracking {
      return put(object, cacheIndex, SizeClass(cacheIndex: cacheIndex).byteCount, place)
    }
    // SAFETY: as above.
    let list = unsafe list(cacheIndex)
    if unsafe list.pointee.count >= list.pointee.limit {
      return freeSlowly(object, cacheIndex, place)
    }
    unsafe push(object, list)
  }

  private func push(_ object: UInt32, _ list: UnsafeMutablePointer<CPUObjectList>) {
    // SAFETY: as above.
    unsafe setFreeLink(of: object, list.pointee.linkOffset, to: list.pointee.first)
    unsafe list.pointee.first = object
    unsafe list.pointee.count &+= 1
  }

  @inline(never)
  private func freeSlowly(_ object: UInt32, _ cacheIndex: Int, _ place: CallPlace) {
    freeSlowly(object, cacheIndex, SizeClass(cacheIndex: cacheIndex).byteCount, place)
  }

  /// The cache of the class that holds so many bytes, 1 to the largest.
  func classCache(holding byteCount: Int) -> Int {
    // SAFETY: the table has a byte for each such size.
    unsafe Int(state.value.classes.load(fromByteOffset: (byteCount &- 1) &>> 3, as: UInt8.self))
  }

  /// Takes an object where this CPU's list has none. Linux: `___slab_alloc()`.
  @inline(never)
  func allocateSlowly(
    _ cacheIndex: Int, _ name: StaticString, _ size: Int, _ urgency: FrameRequest.Urgency,
    _ place: CallPlace
  ) throws(AllocationError) -> UInt32 {
    try allocateSlowly(cacheIndex, name, size, urgency, place, constructing: NoConstructor.self)
  }

  /// The same of a cache whose objects are made with their slab.
  func allocateSlowly<C: ObjectConstructor>(
    _ cacheIndex: Int, _ name: StaticString, _ size: Int, _ urgency: FrameRequest.Urgency,
    _ place: CallPlace, constructing: C.Type
  ) throws(AllocationError) -> UInt32 {
    if isWatched { return try allocateWatched(cacheIndex, name, size, urgency, place) }
    return switch design {
    case .slub: try refill(cacheIndex, name, size, urgency, constructing)
    case .slab: try takeFromArray(cacheIndex, name, size, urgency, constructing)
    case .slob: try takeUnits(cacheIndex, size, urgency)
    }
  }

  /// Gives an object back where this CPU's list has no room for it. Linux: `__slab_free()`.
  @inline(never)
  func freeSlowly(_ object: UInt32, _ cacheIndex: Int, _ size: Int, _ place: CallPlace) {
    if isWatched { return freeWatched(object, cacheIndex, size, place) }
    switch design {
    case .slub:
      let list = listIndex(cacheIndex)
      spill(cacheIndex, list)
      setFreeLink(of: object, lists[list].linkOffset, to: lists[list].first)
      lists[list].first = object
      lists[list].count += 1
    case .slab: putInArray(object, cacheIndex)
    case .slob: giveUnits(object, cacheIndex, size)
    }
  }

  /// Gives back all that this CPU keeps at hand, and all slabs that are empty then.
  ///
  /// Linux: `kmem_cache_shrink()`.
  ///
  /// - Returns: the pages that came free.
  /// - Context: any; never sleeps.
  @discardableResult
  public func shrink() -> PageCount {
    let before = pageCount
    let cpu = Int(machine.currentCPU.value)
    for cacheIndex in 0..<SlabCaches.count { shrink(cacheIndex, cpu: cpu) }
    let after = pageCount
    return before > after ? before - after : .zero
  }
}

extension ObjectHeap {
  /// Gives back what a CPU keeps at hand of a cache, and the slabs that are empty then.
  func shrink(_ cacheIndex: Int, cpu: Int) {
    let list = cpu * SlabCaches.count + cacheIndex
    switch design {
    case .slub: shrinkSlabs(cacheIndex, list)
    case .slab: shrinkArrays(cacheIndex, list)
    // A page whose units are all free went back with the last of them.
    case .slob: break
    }
  }

  /// Says that objects of a type go when memory is short, before the first of them is made.
  ///
  /// Linux: `SLAB_RECLAIM_ACCOUNT`.
  public func setReclaimable<T: HeapObject>(_ type: T.Type) {
    caches[T.cacheIndex].withLock { (cache: inout SlabCache) in cache.mobility = .reclaimable }
  }
}

// Bytes

extension ObjectHeap {
  func address(_ object: UInt32) -> UnsafeMutableRawPointer {
    // SAFETY: 32 GiB at most, and below the direct map's limit, as references are made.
    unsafe base + Int(object) << 3
  }

  /// The next free object after a free one.
  func freeLink(of object: UInt32, _ offset: UInt32) -> UInt32 {
    // SAFETY: a free object's bytes are the heap's, 8 at least.
    unsafe (address(object) + Int(offset)).load(as: UInt32.self)
  }

  func setFreeLink(of object: UInt32, _ offset: UInt32, to next: UInt32) {
    // SAFETY: as above.
    unsafe (address(object) + Int(offset)).storeBytes(of: next, as: UInt32.self)
  }

  /// A byte of the heap's own in a slab, by its physical address.
  func byte(at place: Int) -> Int {
    // SAFETY: the place lies in a slab of this heap.
    unsafe Int((base + place).load(as: UInt8.self))
  }

  func setByte(at place: Int, to value: Int) {
    // SAFETY: as above.
    unsafe (base + place).storeBytes(of: UInt8(truncatingIfNeeded: value), as: UInt8.self)
  }
}
