// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames

/// Where the words of one CPU's array of one cache are, in `HeapState.arrays`.
///
///     available │ limit │ batch │ touched │ the objects, last in, first out …
///
/// Linux 6.1: `struct array_cache`.
struct ObjectArray: BitwiseCopyable {
  let start: Int

  /// 124 objects at most.
  static var stride: Int { 128 }

  var available: Int { start }
  var limit: Int { start + 1 }
  var batch: Int { start + 2 }
  /// Since the last reaping.
  var touched: Int { start + 3 }
  var objects: Int { start + 4 }
}

/// The design `slab`: arrays for each CPU, refilled and emptied in batches, and slabs with colours.
extension ObjectHeap {
  var arrays: ResidentArray<UInt32> { state.value.arrays }

  private func array(_ cacheIndex: Int) -> ObjectArray {
    ObjectArray(start: listIndex(cacheIndex) * ObjectArray.stride)
  }

  /// Takes the object that this CPU gave back last. Linux 6.1: `____cache_alloc()`.
  func takeFromArray<C: ObjectConstructor>(
    _ cacheIndex: Int, _ name: StaticString, _ size: Int, _ urgency: FrameRequest.Urgency,
    _ constructing: C.Type
  ) throws(AllocationError) -> UInt32 {
    let (array, words) = (array(cacheIndex), arrays)
    if words[array.available] == 0 {
      try fill(array, cacheIndex, name, size, urgency, constructing)
    }
    words[array.available] -= 1
    words[array.touched] = 1
    return words[array.objects + Int(words[array.available])]
  }

  /// Puts an object into this CPU's array. Linux 6.1: `___cache_free()`.
  func putInArray(_ object: UInt32, _ cacheIndex: Int) {
    let (array, words) = (array(cacheIndex), arrays)
    if words[array.available] == words[array.limit] {
      if words[array.limit] == 0 {
        // This CPU has never allocated of this cache.
        setLimits(of: array, cacheIndex)
      } else {
        flush(array, cacheIndex, Int(words[array.batch]))
      }
    }
    words[array.objects + Int(words[array.available])] = object
    words[array.available] += 1
  }

  /// Moves a batch of objects from slabs into an array. Linux 6.1: `cache_alloc_refill()`.
  ///
  /// - Throws: `outOfMemory` where there is none and no slab can be made.
  private func fill<C: ObjectConstructor>(
    _ array: ObjectArray, _ cacheIndex: Int, _ name: StaticString, _ size: Int,
    _ urgency: FrameRequest.Urgency, _ constructing: C.Type
  ) throws(AllocationError) {
    let geometry = prepareArrays(cacheIndex, name, size)
    if arrays[array.limit] == 0 { setLimits(of: array, cacheIndex) }
    while true {
      caches[cacheIndex].withLock { (cache: inout SlabCache) in
        take(Int(arrays[array.batch]), from: &cache, geometry, into: array)
      }
      if arrays[array.available] > 0 { return }
      let (mobility, colour) = caches[cacheIndex].withLock { (cache: inout SlabCache) in
        cache.colour = cache.colour + 1 >= geometry.colourCount ? 0 : cache.colour + 1
        return (cache.plan?.mobility ?? cache.mobility, cache.colour)
      }
      let slab = try allocateFrames(
        geometry.order, orElse: geometry.order, urgency, mobility)
      if isWatched {
        machine.directMap.block(at: slab.address, byteCount: geometry.order.pageCount.bytes).clear()
      } else if liveness.isTracking {
        poison(SlabLinks.start(of: slab), Int(geometry.order.pageCount.bytes.value))
      }
      cut(slab, cacheIndex, colour, geometry)
      construct(
        constructing, from: firstObject(of: slab, colour, geometry), geometry.objectsPerSlab,
        geometry.objectByteCount)
      caches[cacheIndex].withLock { (cache: inout SlabCache) in
        cache.account(geometry.order, objects: geometry.objectsPerSlab)
        cache.freeCount += geometry.objectsPerSlab
        cache.empty.pushFront(slab, in: links)
      }
    }
  }

  private func prepareArrays(
    _ cacheIndex: Int, _ name: StaticString, _ size: Int
  ) -> ArrayGeometry {
    let classAlignment = alignment(of: cacheIndex)
    return caches[cacheIndex].withLock { (cache: inout SlabCache) -> ArrayGeometry in
      if let known = cache.arrays {
        check(cache, name, size)
        return known
      }
      // What lies around a watched object stays as it is while it is free.
      let geometry = ArrayGeometry(
        objectByteCount: size, alignment: cache.plan?.alignment ?? classAlignment,
        isReclaimable: cache.mobility == .reclaimable,
        keepsContents: isWatched || cache.plan?.constructs == true)
      cache.name = name
      cache.byteCount = size
      cache.arrays = geometry
      return geometry
    }
  }

  /// What the objects of a cache are aligned to.
  func alignment(of cacheIndex: Int) -> Int {
    guard (SlabCaches.typeCount..<SlabCaches.madeIndex).contains(cacheIndex) else {
      let plan = caches[cacheIndex].withLock { (cache: inout SlabCache) in cache.plan }
      return plan?.alignment ?? 8
    }
    let size = SizeClass(cacheIndex: cacheIndex).byteCount
    return min(size & -size, Int(PageSize.base.bytes))
  }

  private func setLimits(of array: ObjectArray, _ cacheIndex: Int) {
    let found = caches[cacheIndex].withLock { (cache: inout SlabCache) in cache.arrays }
    guard let geometry = found else { preconditionFailure("free before allocate") }
    arrays[array.limit] = UInt32(geometry.limit)
    arrays[array.batch] = UInt32(geometry.batchCount)
  }

  /// Takes objects from partial slabs, then from empty ones.
  private func take(
    _ count: Int, from cache: inout SlabCache, _ geometry: ArrayGeometry,
    into array: ObjectArray
  ) {
    var missing = count
    while missing > 0, let slab = cache.partial.first ?? cache.empty.first {
      let word = links.word(of: slab)
      let numbers = numbers(of: slab, word, geometry)
      let taken = min(missing, geometry.objectsPerSlab - word.inUse)
      let first = firstObject(of: slab, word.colour, geometry)
      for place in word.inUse..<word.inUse + taken {
        let number = byte(at: numbers + place)
        arrays[array.objects + Int(arrays[array.available])] =
          first + UInt32(number * geometry.objectByteCount / 8)
        arrays[array.available] += 1
      }
      if word.inUse == 0 { cache.empty.remove(slab, in: links) }
      let inUse = word.inUse + taken
      if word.inUse > 0 && inUse == geometry.objectsPerSlab {
        cache.partial.remove(slab, in: links)
      } else if word.inUse == 0 && inUse < geometry.objectsPerSlab {
        cache.partial.pushFront(slab, in: links)
      }
      frames.table[slab].privateWord = word.using(inUse).raw
      cache.freeCount -= taken
      missing -= taken
    }
  }

  /// Cuts new frames into objects; each slab begins a cache line later than the one before.
  ///
  /// Linux 6.1: `cache_grow_begin()`.
  private func cut(
    _ slab: PageFrameNumber, _ cacheIndex: Int, _ colour: Int, _ geometry: ArrayGeometry
  ) {
    let word = SlabWord(
      cacheIndex: cacheIndex, colour: colour, holder: geometry.objectsPerSlab - 1)
    adopt(slab, as: word)
    let numbers = numbers(of: slab, word, geometry)
    for number in 0..<geometry.objectsPerSlab {
      setByte(at: numbers + number, to: number)
    }
  }

  private func firstObject(
    of slab: PageFrameNumber, _ colour: Int, _ geometry: ArrayGeometry
  ) -> UInt32 {
    SlabLinks.start(of: slab) + UInt32(colour * geometry.colourByteCount / 8)
  }

  /// Where a slab with a free object keeps the numbers of its objects.
  func numbers(
    of slab: PageFrameNumber, _ word: SlabWord, _ geometry: ArrayGeometry
  ) -> Int {
    let offset =
      geometry.keepsNumbersInObject
      ? word.colour * geometry.colourByteCount + word.holder * geometry.objectByteCount
      : Int(geometry.order.pageCount.bytes.value) - geometry.objectsPerSlab
    return Int(slab.value) << 12 + offset
  }

  /// Moves the oldest objects of an array back into their slabs. Linux 6.1: `cache_flusharray()`.
  private func flush(_ array: ObjectArray, _ cacheIndex: Int, _ count: Int) {
    let words = arrays
    caches[cacheIndex].withLock { (cache: inout SlabCache) in
      guard let geometry = cache.arrays else { preconditionFailure("free before allocate") }
      for place in 0..<count {
        putBack(words[array.objects + place], &cache, cacheIndex, geometry)
      }
      while cache.freeCount > geometry.freeLimit(cpuCount: cpuCount),
        let slab = cache.empty.popBack(in: links)
      {
        discard(slab, from: &cache, geometry)
      }
    }
    let left = Int(words[array.available]) - count
    for place in 0..<left {
      words[array.objects + place] = words[array.objects + place + count]
    }
    words[array.available] = UInt32(left)
  }

  /// Linux 6.1: `slab_put_obj()`.
  private func putBack(
    _ object: UInt32, _ cache: inout SlabCache, _ cacheIndex: Int, _ geometry: ArrayGeometry
  ) {
    let (slab, found) = links.slab(of: object)
    precondition(found.isSlab(of: cacheIndex), "free of what is free, or of another type")
    let offset =
      Int(object &- SlabLinks.start(of: slab)) << 3 - found.colour * geometry.colourByteCount
    let number = offset / geometry.objectByteCount
    precondition(number * geometry.objectByteCount == offset, "free of no object")
    var word = found
    if found.inUse == geometry.objectsPerSlab {
      word = found.holding(number)
    } else {
      cache.partial.remove(slab, in: links)
    }
    word = word.using(found.inUse - 1)
    setByte(at: numbers(of: slab, word, geometry) + word.inUse, to: number)
    frames.table[slab].privateWord = word.raw
    cache.freeCount += 1
    if word.inUse == 0 {
      cache.empty.pushFront(slab, in: links)
    } else {
      cache.partial.pushBack(slab, in: links)
    }
  }

  private func discard(
    _ slab: PageFrameNumber, from cache: inout SlabCache, _ geometry: ArrayGeometry
  ) {
    cache.freeCount -= geometry.objectsPerSlab
    cache.discount(geometry.order, objects: geometry.objectsPerSlab)
    freeFrames(slab, geometry.order)
  }

  /// Empties a CPU's array of a cache, and gives its empty slabs back.
  func shrinkArrays(_ cacheIndex: Int, _ list: Int) {
    let array = ObjectArray(start: list * ObjectArray.stride)
    if arrays[array.available] > 0 { flush(array, cacheIndex, Int(arrays[array.available])) }
    caches[cacheIndex].withLock { (cache: inout SlabCache) in
      guard let geometry = cache.arrays else { return }
      while let slab = cache.empty.popBack(in: links) { discard(slab, from: &cache, geometry) }
    }
  }

  /// Gives back part of what this CPU has at hand and did not touch since the last time, and of
  /// the empty slabs. Nothing in the other designs.
  ///
  /// Linux 6.1: `cache_reap()`, every two seconds on each CPU.
  ///
  /// - Context: any; never sleeps.
  public func reap() {
    guard design == .slab else { return }
    for cacheIndex in 0..<SlabCaches.count {
      let array = array(cacheIndex)
      let available = Int(arrays[array.available])
      if arrays[array.touched] != 0 {
        arrays[array.touched] = 0
      } else if available > 0 {
        let some = (Int(arrays[array.limit]) + 4) / 5
        flush(array, cacheIndex, some > available ? (available + 1) / 2 : some)
      }
      caches[cacheIndex].withLock { (cache: inout SlabCache) in
        guard let geometry = cache.arrays else { return }
        let perSlab = geometry.objectsPerSlab
        var some = (geometry.freeLimit(cpuCount: cpuCount) + 5 * perSlab - 1) / (5 * perSlab)
        while some > 0, let slab = cache.empty.popBack(in: links) {
          discard(slab, from: &cache, geometry)
          some -= 1
        }
      }
    }
  }
}
