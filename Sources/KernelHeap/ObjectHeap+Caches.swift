// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames

/// Caches that are made while the machine runs.
extension ObjectHeap {
  /// Makes a cache, or gives one that there is and whose objects are the same to all callers.
  ///
  /// Linux: `kmem_cache_create()`, `find_mergeable()`.
  ///
  /// - Throws: what of the request cannot be.
  /// - Context: any; takes cache locks.
  public func makeCache(_ request: CacheRequest) throws(CacheError) -> ObjectCache<NoConstructor> {
    try makeCache(request, constructing: NoConstructor.self)
  }

  /// The same with objects that are made once; such a cache is nobody else's.
  public func makeCache<C: ObjectConstructor>(
    _ request: CacheRequest, constructing: C.Type
  ) throws(CacheError) -> ObjectCache<C> {
    let size = Int(truncatingIfNeeded: request.byteCount.value)
    let alignment = Int(truncatingIfNeeded: request.alignment.value)
    guard request.byteCount > .zero else { throw .zeroSize }
    guard request.byteCount.value <= UInt64(SlabGeometry.maximumObjectByteCount) else {
      throw .tooLarge
    }
    guard alignment > 0, alignment & (alignment - 1) == 0, alignment <= 4096 else {
      throw .wrongAlignment
    }
    guard C.byteCount <= size, C.alignment <= max(alignment, 8) else {
      throw .constructorDisagrees
    }
    let plan = CachePlan(request, max(alignment, 8), constructs: C.constructs)
    if !C.constructs, request.merging == .allowed, let found = merge(plan) {
      return ObjectCache(index: found)
    }
    for index in SlabCaches.madeIndex..<SlabCaches.count where begin(plan, index) {
      return ObjectCache(index: index)
    }
    throw .tooMany
  }

  /// Joins a cache whose objects are as large, to a word, and aligned as well.
  private func merge(_ plan: CachePlan) -> Int? {
    for index in SlabCaches.madeIndex..<SlabCaches.count {
      let isSame = caches[index].withLock { (cache: inout SlabCache) -> Bool in
        guard let other = cache.plan, other.isMergeable, other.mobility == plan.mobility,
          other.stride >= plan.stride, other.stride - plan.stride < 8,
          other.stride % plan.alignment == 0, other.alignment >= plan.alignment
        else { return false }
        cache.userCount += 1
        return true
      }
      if isSame { return index }
    }
    return nil
  }

  /// Takes a number that no cache has.
  private func begin(_ plan: CachePlan, _ index: Int) -> Bool {
    caches[index].withLock { (cache: inout SlabCache) -> Bool in
      guard cache.plan == nil else { return false }
      cache = SlabCache()
      cache.plan = plan
      cache.userCount = 1
      return true
    }
  }

  /// Takes an object of a cache. Linux: `kmem_cache_alloc()`.
  ///
  /// - Throws: `outOfMemory`.
  /// - Context: any; never sleeps.
  public func allocate<C: ObjectConstructor>(
    from cache: ObjectCache<C>, urgency: FrameRequest.Urgency = .normal,
    file: SourceFile = #fileID, line: UInt32 = #line
  ) throws(AllocationError) -> HeapBlock {
    let known = caches[cache.index].withLock { (cache: inout SlabCache) in cache.plan }
    guard let plan = known else { preconditionFailure("a cache that was destroyed") }
    var object = pop(cache.index)
    if object == 0 {
      object = try allocateSlowly(
        cache.index, plan.name, plan.byteCount, urgency, CallPlace(file, line),
        constructing: C.self)
    }
    let block = HeapBlock(
      PhysicalAddress(UInt64(object) << 3), ByteCount(UInt64(plan.byteCount)),
      cacheIndex: cache.index)
    // Where no slab keeps what an object is, each is made anew.
    if C.constructs, design == .slob || isWatched { C.construct(bytes(of: block)) }
    return block
  }

  /// Gives an object back. Linux: `kmem_cache_free()`.
  ///
  /// An object of another cache is reported, and stays as it is.
  ///
  /// - Context: any; never sleeps.
  public func free<C: ObjectConstructor>(
    _ block: consuming HeapBlock, to cache: ObjectCache<C>, file: SourceFile = #fileID,
    line: UInt32 = #line
  ) {
    let size = Int(truncatingIfNeeded: block.byteCount.value)
    let index = block.cacheIndex
    let address = block.surrender()
    guard index == cache.index else { return reportFree(address, .wrongCache) }
    let object = UInt32(truncatingIfNeeded: address.value >> 3)
    putUntracked(object, index, size, CallPlace(file, line))
  }

  /// Makes the token of an object again, from its address alone.
  ///
  /// - Precondition: it was surrendered, and nobody else adopts it.
  public func adopt<C: ObjectConstructor>(
    _ address: PhysicalAddress, of cache: ObjectCache<C>
  ) -> HeapBlock {
    let plan = caches[cache.index].withLock { (cache: inout SlabCache) in cache.plan }
    return HeapBlock(
      address, ByteCount(UInt64(plan?.byteCount ?? 0)), cacheIndex: cache.index)
  }

  /// The bytes of an object.
  public func bytes(of block: borrowing HeapBlock) -> MemoryBlock {
    machine.directMap.block(at: block.address, byteCount: block.byteCount)
  }

  /// Gives back what this CPU has at hand of a cache. Linux: `kmem_cache_shrink()`.
  public func shrink<C: ObjectConstructor>(_ cache: ObjectCache<C>) {
    shrink(cache.index, cpu: Int(machine.currentCPU.value))
  }

  /// Ends a cache, when the last who asked for it does. Linux: `kmem_cache_destroy()`.
  ///
  /// - Throws: `inUse` while somebody has objects of it; it stays then.
  /// - Context: no CPU allocates or frees of it meanwhile.
  public func destroy<C: ObjectConstructor>(_ cache: ObjectCache<C>) throws(CacheError) {
    let isLast = caches[cache.index].withLock { (cache: inout SlabCache) -> Bool in
      precondition(cache.userCount > 0, "a cache that was destroyed")
      let isLast = cache.userCount == 1
      if !isLast { cache.userCount -= 1 }
      return isLast
    }
    guard isLast else { return }
    for cpu in 0..<cpuCount { shrink(cache.index, cpu: cpu) }
    var live: UInt32 = 0
    for cpu in 0..<cpuCount { live &+= lists[cpu * SlabCaches.count + cache.index].liveCount }
    let isEmpty = caches[cache.index].withLock { (cache: inout SlabCache) -> Bool in
      guard cache.slabCount == 0, live == 0 else { return false }
      cache = SlabCache()
      return true
    }
    guard isEmpty else { throw .inUse }
    for cpu in 0..<cpuCount {
      lists[cpu * SlabCaches.count + cache.index] = CPUObjectList()
      guard design == .slab else { continue }
      let array = ObjectArray(start: (cpu * SlabCaches.count + cache.index) * ObjectArray.stride)
      arrays[array.limit] = 0
    }
  }
}

// Many at once

extension ObjectHeap {
  /// Makes as many objects as there are places, all or none. Linux: `kmem_cache_alloc_bulk()`.
  ///
  /// - Throws: `outOfMemory`; the places hold nothing then.
  /// - Context: any; never sleeps.
  public func allocate<T: HeapObject>(
    _ initial: T, into links: inout MutableSpan<Link<T>>, file: SourceFile = #fileID,
    line: UInt32 = #line
  ) throws(AllocationError) {
    for place in 0..<links.count {
      do throws(AllocationError) {
        links[place] = Link(try allocate(initial, file: file, line: line))
      } catch {
        for made in 0..<place {
          if let object = links[made].reference { free(object, file: file, line: line) }
          links[made] = .none
        }
        throw error
      }
    }
  }

  /// Ends many objects. Linux: `kmem_cache_free_bulk()`.
  public func free<T: HeapObject>(
    _ links: Span<Link<T>>, file: SourceFile = #fileID, line: UInt32 = #line
  ) {
    for place in 0..<links.count {
      if let object = links[place].reference { free(object, file: file, line: line) }
    }
  }
}
