// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames

// Between the CPUs' lists, the partial slabs and the page allocator.

extension ObjectHeap {
  var links: SlabLinks { SlabLinks(table: frames.table) }

  /// Makes this CPU's list non-empty again, and takes its first object.
  ///
  /// Linux: `___slab_alloc()`.
  @inline(never)
  func refill(
    _ cacheIndex: Int, _ name: StaticString, _ size: Int, _ urgency: FrameRequest.Urgency
  ) throws(AllocationError) -> UInt32 {
    let list = listIndex(cacheIndex)
    if lists[list].spareFirst != 0 {
      lists[list].first = lists[list].spareFirst
      lists[list].count = lists[list].spareCount
      lists[list].spareFirst = 0
      lists[list].spareCount = 0
    } else if let found = takePartial(cacheIndex, name, size) {
      lists[list].first = found.first
      lists[list].count = found.count
    } else {
      let geometry = prepare(cacheIndex, name, size, list)
      let made = try makeSlab(cacheIndex, geometry, urgency)
      lists[list].first = made.first
      lists[list].count = made.count
    }
    let object = lists[list].first
    lists[list].first = freeLink(of: object, size)
    lists[list].count -= 1
    return object
  }

  /// Takes all free objects of a partial slab; it is full then. Linux: `get_partial_node()`.
  private func takePartial(
    _ cacheIndex: Int, _ name: StaticString, _ size: Int
  ) -> (first: UInt32, count: UInt32)? {
    caches[cacheIndex].withLock { (cache: inout SlabCache) -> (first: UInt32, count: UInt32)? in
      guard let geometry = cache.geometry, let slab = cache.partial.popFront(in: links) else {
        return nil
      }
      check(cache, name, size)
      let word = SlabWord(raw: frames.table[slab].privateWord)
      let total = geometry.objectCount(frames.table[slab].order)
      let count = total - word.inUse
      frames.table[slab].privateWord = SlabWord(cacheIndex: cacheIndex, inUse: total).raw
      cache.freeCount -= count
      return (word.firstFree(in: slab), UInt32(count))
    }
  }

  /// Sets a cache up if this is its first allocation, on this CPU too.
  private func prepare(
    _ cacheIndex: Int, _ name: StaticString, _ size: Int, _ list: Int
  ) -> SlabGeometry {
    let geometry = caches[cacheIndex].withLock { (cache: inout SlabCache) -> SlabGeometry in
      if let known = cache.geometry {
        check(cache, name, size)
        return known
      }
      let geometry = SlabGeometry(objectByteCount: size, cpuCount: cpuCount)
      cache.name = name
      cache.geometry = geometry
      return geometry
    }
    lists[list].limit = geometry.cpuListLimit
    return geometry
  }

  /// Traps if a cache is already that of another type.
  private func check(_ cache: SlabCache, _ name: StaticString, _ size: Int) {
    var isSame = cache.geometry?.objectByteCount == size
    isSame = isSame && cache.name.utf8CodeUnitCount == name.utf8CodeUnitCount
    var index = 0
    while isSame && index < name.utf8CodeUnitCount {
      // SAFETY: both literals are as long as that.
      isSame = unsafe cache.name.utf8Start[index] == name.utf8Start[index]
      index += 1
    }
    precondition(isSame, "two types share a cache's index")
  }

  /// Makes a slab, all of whose objects are for the caller. Linux: `allocate_slab()`.
  ///
  /// - Throws: `outOfMemory` if there is not even memory for one of the smallest order.
  private func makeSlab(
    _ cacheIndex: Int, _ geometry: SlabGeometry, _ urgency: FrameRequest.Urgency
  ) throws(AllocationError) -> (first: UInt32, count: UInt32) {
    let slab = try allocateFrames(geometry, urgency)
    let order = frames.table[slab].order
    let count = geometry.objectCount(order)
    frames.table[slab].privateWord = SlabWord(cacheIndex: cacheIndex, inUse: count).raw
    for index in 1..<max(order.pageCount.value, 1) {
      frames.table[slab + PageCount(index)].privateWord = SlabWord(head: slab).raw
    }
    let size = geometry.objectByteCount
    let first = SlabLinks.start(of: slab)
    var object = first
    for _ in 1..<count {
      let next = object + UInt32(size >> 3)
      setFreeLink(of: object, size, to: next)
      liveness.prepareFree(object, size, in: self)
      object = next
    }
    setFreeLink(of: object, size, to: 0)
    liveness.prepareFree(object, size, in: self)
    caches[cacheIndex].withLock { (cache: inout SlabCache) in
      cache.account(order, objects: count)
    }
    return (first, UInt32(count))
  }

  private func allocateFrames(
    _ geometry: SlabGeometry, _ urgency: FrameRequest.Urgency
  ) throws(AllocationError) -> PageFrameNumber {
    var request = FrameRequest(order: geometry.order, kind: .slab, urgency: urgency)
    let block: FrameBlock
    do throws(AllocationError) {
      block = try frames.allocate(request)
    } catch {
      guard geometry.minimumOrder < geometry.order else { throw error }
      request.order = geometry.minimumOrder
      return try reachable(frames.allocate(request))
    }
    return try reachable(block)
  }

  /// The block's first frame, unless references do not reach it.
  private func reachable(
    _ block: consuming FrameBlock
  ) throws(AllocationError) -> PageFrameNumber {
    guard block.first.value < 1 << 23 else {
      frames.free(block)
      throw .outOfMemory
    }
    return block.surrender()
  }

  /// Makes room in this CPU's list, which is as long as it may be.
  ///
  /// Linux: `put_cpu_partial()`.
  @inline(never)
  func spill(_ cacheIndex: Int, _ list: Int, _ size: Int) {
    if lists[list].limit == 0 {
      // This CPU has never allocated of this cache.
      let geometry = SlabGeometry(objectByteCount: size, cpuCount: cpuCount)
      lists[list].limit = geometry.cpuListLimit
      if lists[list].count < lists[list].limit { return }
    }
    let old = lists[list].spareFirst
    lists[list].spareFirst = lists[list].first
    lists[list].spareCount = lists[list].count
    lists[list].first = 0
    lists[list].count = 0
    giveBack(old, cacheIndex, size)
  }

  /// Gives a list of free objects back to their slabs. Linux: `__slab_free()`.
  private func giveBack(_ first: UInt32, _ cacheIndex: Int, _ size: Int) {
    if first == 0 { return }
    let links = links
    caches[cacheIndex].withLock { (cache: inout SlabCache) in
      guard let geometry = cache.geometry else { preconditionFailure("free before allocate") }
      var next = first
      while next != 0 {
        let object = next
        next = freeLink(of: object, size)
        giveBack(object, to: &cache, cacheIndex, geometry, links)
      }
    }
  }

  private func giveBack(
    _ object: UInt32, to cache: inout SlabCache, _ cacheIndex: Int, _ geometry: SlabGeometry,
    _ links: SlabLinks
  ) {
    let (slab, found) = links.slab(of: object)
    var word = found
    precondition(word.isSlab(of: cacheIndex), "free of what is free, or of another type")
    let firstFree = word.firstFree(in: slab)
    word.free(object, in: slab)
    if word.inUse == 0 && cache.partial.count >= geometry.minimumPartialCount {
      discard(slab, wasListed: firstFree != 0, from: &cache, geometry)
      return
    }
    setFreeLink(of: object, geometry.objectByteCount, to: firstFree)
    links.table[slab].privateWord = word.raw
    cache.freeCount &+= 1
    if firstFree == 0 { cache.partial.pushBack(slab, in: links) }
  }

  /// Gives an empty slab to the page allocator; its last object is not counted as free yet.
  private func discard(
    _ slab: PageFrameNumber, wasListed: Bool, from cache: inout SlabCache,
    _ geometry: SlabGeometry
  ) {
    let order = frames.table[slab].order
    let count = geometry.objectCount(order)
    if wasListed { cache.partial.remove(slab, in: links) }
    cache.freeCount -= count - 1
    cache.discount(order, objects: count)
    freeFrames(slab, order)
  }

  private func freeFrames(_ slab: PageFrameNumber, _ order: Order) {
    for index in 0..<order.pageCount.value {
      frames.table[slab + PageCount(index)].privateWord = 0
    }
    frames.free(.adopt(slab, order))
  }

  /// Gives back all that this CPU keeps at hand, and all slabs that are empty then.
  ///
  /// Linux: `kmem_cache_shrink()`.
  ///
  /// - Returns: the pages that came free.
  /// - Context: any; never sleeps.
  public func shrink() -> PageCount {
    var freed = PageCount.zero
    for cacheIndex in 0..<SlabCaches.count { freed += shrink(cacheIndex) }
    return freed
  }

  private func shrink(_ cacheIndex: Int) -> PageCount {
    let cacheGeometry = caches[cacheIndex].withLock { (cache: inout SlabCache) in cache.geometry }
    guard let geometry = cacheGeometry else { return .zero }
    let before = caches[cacheIndex].withLock { (cache: inout SlabCache) in cache.pageCount }
    let list = listIndex(cacheIndex)
    let active = lists[list].first
    let spare = lists[list].spareFirst
    lists[list].first = 0
    lists[list].count = 0
    lists[list].spareFirst = 0
    lists[list].spareCount = 0
    giveBack(active, cacheIndex, geometry.objectByteCount)
    giveBack(spare, cacheIndex, geometry.objectByteCount)
    return caches[cacheIndex].withLock { (cache: inout SlabCache) in
      var next = cache.partial.first
      while let slab = next {
        next = links.next(of: slab)
        if SlabWord(raw: frames.table[slab].privateWord).inUse > 0 { continue }
        let order = frames.table[slab].order
        let count = geometry.objectCount(order)
        cache.partial.remove(slab, in: links)
        cache.freeCount -= count
        cache.discount(order, objects: count)
        freeFrames(slab, order)
      }
      return before - cache.pageCount
    }
  }
}
