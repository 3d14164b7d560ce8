// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames

// Between the CPUs' lists, the partial slabs and the page allocator, in the design `slub`.

extension ObjectHeap {
  var links: SlabLinks { SlabLinks(table: state.value.table) }

  /// Makes this CPU's list non-empty again, and takes its first object.
  ///
  /// Linux: `___slab_alloc()`.
  func refill<C: ObjectConstructor>(
    _ cacheIndex: Int, _ name: StaticString, _ size: Int, _ urgency: FrameRequest.Urgency,
    _ constructing: C.Type
  ) throws(AllocationError) -> UInt32 {
    let list = listIndex(cacheIndex)
    if lists[list].spareFirst != 0 {
      lists[list].first = lists[list].spareFirst
      lists[list].count = lists[list].spareCount
      lists[list].spareFirst = 0
      lists[list].spareCount = 0
    } else if let found = takeKept(cacheIndex, name, size, list) {
      lists[list].first = found.first
      lists[list].count = found.count
    } else {
      let geometry = prepare(cacheIndex, name, size, list)
      let made = try makeSlab(cacheIndex, geometry, urgency, constructing)
      lists[list].first = made.first
      lists[list].count = made.count
    }
    let object = lists[list].first
    lists[list].first = freeLink(of: object, lists[list].linkOffset)
    lists[list].count -= 1
    return object
  }

  /// Takes a list of the depot, or all free objects of a partial slab, which is full then.
  ///
  /// Linux: `get_partial_node()`.
  private func takeKept(
    _ cacheIndex: Int, _ name: StaticString, _ size: Int, _ list: Int
  ) -> (first: UInt32, count: UInt32)? {
    caches[cacheIndex].withLock { (cache: inout SlabCache) -> (first: UInt32, count: UInt32)? in
      guard let geometry = cache.geometry else { return nil }
      check(cache, name, size)
      // This CPU may never have seen the cache.
      begin(list, geometry)
      if let first = takeFromDepot(&cache, geometry) { return (first, geometry.cpuListLimit) }
      guard let slab = cache.partial.popFront(in: links) else { return nil }
      let word = SlabWord(raw: frames.table[slab].privateWord)
      let total = geometry.objectCount(frames.table[slab].order)
      let count = total - word.inUse
      frames.table[slab].privateWord = SlabWord(cacheIndex: cacheIndex, inUse: total).raw
      cache.freeCount -= count
      return (word.firstFree(in: slab), UInt32(count))
    }
  }

  private func takeFromDepot(_ cache: inout SlabCache, _ geometry: SlabGeometry) -> UInt32? {
    guard cache.depotCount > 0 else { return nil }
    let first = cache.depotFirst
    cache.depotFirst = freeLink(of: first, UInt32(geometry.freeLinkOffset) + 4)
    cache.depotCount -= 1
    state.value.idleByteCount.subtract(geometry.listByteCount)
    return first
  }

  /// Keeps a full list for whoever needs one, unless too much is idle already: the CPUs would
  /// move its objects into their slabs only to take them out again.
  ///
  /// Source: Bonwick and Adams, the depot, 2001.
  private func keep(
    _ first: UInt32, _ cacheIndex: Int
  ) -> Bool {
    caches[cacheIndex].withLock { (cache: inout SlabCache) in
      guard let geometry = cache.geometry else { preconditionFailure("free before allocate") }
      let idle = state.value.idleByteCount
      guard idle.add(geometry.listByteCount, upTo: idleLimit) else { return false }
      setFreeLink(of: first, UInt32(geometry.freeLinkOffset) + 4, to: cache.depotFirst)
      cache.depotFirst = first
      cache.depotCount += 1
      return true
    }
  }

  /// The bytes of free objects that may wait in depots: a 256th of the memory.
  private var idleLimit: Int { Int(frames.managedPageCount.bytes.value >> 8) }

  /// Sets a cache up if this is its first allocation, on this CPU too.
  func prepare(
    _ cacheIndex: Int, _ name: StaticString, _ size: Int, _ list: Int
  ) -> SlabGeometry {
    let geometry = caches[cacheIndex].withLock { (cache: inout SlabCache) -> SlabGeometry in
      if let known = cache.geometry {
        check(cache, name, size)
        return known
      }
      var geometry = SlabGeometry(
        watchedByteCount: cache.plan?.stride ?? size, cpuCount: cpuCount,
        freeLinkOffset: cache.plan?.linkOffset)
      geometry.mobility = cache.plan?.mobility ?? cache.mobility
      cache.name = name
      cache.byteCount = size
      cache.geometry = geometry
      return geometry
    }
    begin(list, geometry)
    return geometry
  }

  /// Lets a CPU keep objects of a cache.
  private func begin(_ list: Int, _ geometry: SlabGeometry) {
    lists[list].linkOffset = UInt32(geometry.freeLinkOffset)
    lists[list].objectByteCount = UInt32(geometry.objectByteCount)
    lists[list].limit = geometry.cpuListLimit
  }

  /// Traps if a cache is already that of another type.
  func check(_ cache: SlabCache, _ name: StaticString, _ size: Int) {
    var isSame = cache.byteCount == size
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
  func makeSlab<C: ObjectConstructor>(
    _ cacheIndex: Int, _ geometry: SlabGeometry, _ urgency: FrameRequest.Urgency,
    _ constructing: C.Type
  ) throws(AllocationError) -> (first: UInt32, count: UInt32) {
    let slab = try allocateFrames(
      geometry.order, orElse: geometry.minimumOrder, urgency, geometry.mobility)
    let order = frames.table[slab].order
    let count = geometry.objectCount(order)
    adopt(slab, as: SlabWord(cacheIndex: cacheIndex, inUse: count))
    let first = SlabLinks.start(of: slab)
    link(from: first, count, geometry)
    construct(constructing, from: first, count, geometry.objectByteCount)
    caches[cacheIndex].withLock { (cache: inout SlabCache) in
      cache.account(order, objects: count)
    }
    return (first, UInt32(count))
  }

  /// Makes a list of all objects of a new slab.
  private func link(from first: UInt32, _ count: Int, _ geometry: SlabGeometry) {
    let step = UInt32(geometry.objectByteCount >> 3)
    let offset = UInt32(geometry.freeLinkOffset)
    var object = first
    if isWatched {
      machine.directMap.block(
        at: PhysicalAddress(UInt64(first) << 3),
        byteCount: ByteCount(UInt64(count * geometry.objectByteCount))
      ).clear()
    } else if liveness.isTracking {
      poison(first, count * geometry.objectByteCount)
    }
    for _ in 1..<count {
      setFreeLink(of: object, offset, to: object &+ step)
      object = object &+ step
    }
    setFreeLink(of: object, offset, to: 0)
  }

  /// Makes all objects of a new slab, before any CPU can reach one. Linux: `setup_object()`.
  func construct<C: ObjectConstructor>(
    _ constructing: C.Type, from first: UInt32, _ count: Int, _ stride: Int
  ) {
    guard C.constructs else { return }
    for number in 0..<count {
      let address = PhysicalAddress(UInt64(first) << 3 + UInt64(number * stride))
      let byteCount = ByteCount(UInt64(C.byteCount))
      C.construct(machine.directMap.block(at: address, byteCount: byteCount))
    }
  }

  /// Says in the descriptors of new frames which slab they are.
  func adopt(_ slab: PageFrameNumber, as word: SlabWord) {
    let table = frames.table
    table[slab].privateWord = word.raw
    for index in 1..<max(table[slab].order.pageCount.value, 1) {
      table[slab + PageCount(index)].privateWord = SlabWord(head: slab).raw
    }
  }

  /// Takes frames for a slab, of the smaller order if there are none of the larger.
  func allocateFrames(
    _ order: Order, orElse minimum: Order, _ urgency: FrameRequest.Urgency, _ mobility: Mobility
  ) throws(AllocationError) -> PageFrameNumber {
    var request = FrameRequest(order: order, kind: .slab, mobility: mobility, urgency: urgency)
    let block: FrameBlock
    do throws(AllocationError) {
      block = try frames.allocate(request)
    } catch {
      guard minimum < order else { throw error }
      request.order = minimum
      return try reachable(frames.allocate(request))
    }
    return try reachable(block)
  }

  /// The block's first frame, unless references do not reach it.
  private func reachable(
    _ block: consuming FrameBlock
  ) throws(AllocationError) -> PageFrameNumber {
    guard block.first.value < 1 << 23 else {
      frames.freeSlab(block)
      throw .outOfMemory
    }
    return block.surrender()
  }

  /// Makes room in this CPU's list, which is as long as it may be.
  ///
  /// Linux: `put_cpu_partial()`.
  func spill(_ cacheIndex: Int, _ list: Int) {
    if lists[list].limit == 0 {
      // This CPU has never allocated of this cache.
      let found = caches[cacheIndex].withLock { (cache: inout SlabCache) in cache.geometry }
      guard let geometry = found else { preconditionFailure("free before allocate") }
      begin(list, geometry)
      return
    }
    let old = lists[list].spareFirst
    let oldCount = lists[list].spareCount
    lists[list].spareFirst = lists[list].first
    lists[list].spareCount = lists[list].count
    lists[list].first = 0
    lists[list].count = 0
    if oldCount == lists[list].limit && keep(old, cacheIndex) { return }
    giveBack(old, cacheIndex)
  }

  /// Gives a list of free objects back to their slabs. Linux: `__slab_free()`.
  func giveBack(_ first: UInt32, _ cacheIndex: Int) {
    if first == 0 { return }
    caches[cacheIndex].withLock { (cache: inout SlabCache) in
      guard let geometry = cache.geometry else { preconditionFailure("free before allocate") }
      let links = links
      let offset = UInt32(geometry.freeLinkOffset)
      let minimum = geometry.minimumPartialCount
      var count = 0
      var next = first
      while next != 0 {
        let object = next
        next = freeLink(of: object, offset)
        let (slab, found) = links.slab(of: object)
        precondition(found.isSlab(of: cacheIndex), "free of what is free, or of another type")
        let word = found.freeing(object, in: slab)
        let firstFree = found.firstFree(in: slab)
        if word.isUnused && cache.partial.count >= minimum {
          discard(slab, wasListed: firstFree != 0, from: &cache, geometry)
          continue
        }
        setFreeLink(of: object, offset, to: firstFree)
        links.table[slab].privateWord = word.raw
        count &+= 1
        if firstFree == 0 { cache.partial.pushBack(slab, in: links) }
      }
      cache.freeCount += count
    }
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

  func freeFrames(_ slab: PageFrameNumber, _ order: Order) {
    for index in 0..<order.pageCount.value {
      frames.table[slab + PageCount(index)].privateWord = 0
    }
    frames.freeSlab(.adopt(slab, order))
  }

  /// Gives back what a CPU keeps at hand of a cache, and the slabs that are empty then.
  func shrinkSlabs(_ cacheIndex: Int, _ list: Int) {
    let found = caches[cacheIndex].withLock { (cache: inout SlabCache) in cache.geometry }
    guard let geometry = found else { return }
    let active = lists[list].first
    let spare = lists[list].spareFirst
    lists[list].first = 0
    lists[list].count = 0
    lists[list].spareFirst = 0
    lists[list].spareCount = 0
    giveBack(active, cacheIndex)
    giveBack(spare, cacheIndex)
    while true {
      let kept = caches[cacheIndex].withLock { (cache: inout SlabCache) in
        takeFromDepot(&cache, geometry)
      }
      guard let kept else { break }
      giveBack(kept, cacheIndex)
    }
    caches[cacheIndex].withLock { (cache: inout SlabCache) in
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
    }
  }
}
