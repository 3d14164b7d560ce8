// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames

extension ObjectHeap {
  /// Traps unless lists, counts and slabs of all caches agree.
  ///
  /// - Context: no other CPU is in the heap.
  public func checkInvariants() {
    for index in 0..<SlabCaches.count {
      switch design {
      case .slub: checkLists(index)
      case .slab: checkArrays(index)
      case .slob: break
      }
    }
    if design == .slob { checkUnits() }
  }

  private func checkLists(_ cacheIndex: Int) {
    caches[cacheIndex].withLock { (cache: inout SlabCache) in
      guard let geometry = cache.geometry else { return }
      cache.partial.checkInvariants(in: links)
      var free = 0
      var next = cache.partial.first
      while let slab = next {
        next = links.next(of: slab)
        free += checkSlab(slab, cacheIndex, geometry)
      }
      precondition(free == cache.freeCount, "free objects are counted wrongly")
      let offset = UInt32(geometry.freeLinkOffset)
      var kept = cache.depotFirst
      for _ in 0..<cache.depotCount {
        precondition(length(from: kept, offset) == geometry.cpuListLimit, "a list of the depot")
        kept = freeLink(of: kept, offset + 4)
      }
      precondition(kept == 0, "the depot counts wrongly")
      for cpu in 0..<cpuCount {
        let list = lists[cpu * SlabCaches.count + cacheIndex]
        precondition(length(from: list.first, offset) == Int(list.count), "a list's length")
        precondition(length(from: list.spareFirst, offset) == Int(list.spareCount), "a spare list")
      }
    }
  }

  /// The number of a partial slab's free objects.
  private func checkSlab(
    _ slab: PageFrameNumber, _ cacheIndex: Int, _ geometry: SlabGeometry
  ) -> Int {
    let word = SlabWord(raw: frames.table[slab].privateWord)
    precondition(frames.table[slab].kind == .slab, "a slab's frame is something else")
    precondition(word.cacheIndex == cacheIndex, "a slab of another cache")
    let total = geometry.objectCount(frames.table[slab].order)
    var free = 0
    var object = word.firstFree(in: slab)
    while object != 0 {
      precondition(links.slab(of: object).first == slab, "a free object of another slab")
      free += 1
      precondition(free <= total, "a free list in a circle")
      object = freeLink(of: object, UInt32(geometry.freeLinkOffset))
    }
    precondition(free > 0 && free == total - word.inUse, "a slab counts wrongly")
    return free
  }

  private func length(from first: UInt32, _ offset: UInt32) -> Int {
    var length = 0
    var object = first
    while object != 0 {
      length += 1
      object = freeLink(of: object, offset)
    }
    return length
  }

  private func checkArrays(_ cacheIndex: Int) {
    caches[cacheIndex].withLock { (cache: inout SlabCache) in
      guard let geometry = cache.arrays else { return }
      cache.partial.checkInvariants(in: links)
      cache.empty.checkInvariants(in: links)
      var free = cache.empty.count * geometry.objectsPerSlab
      var next = cache.partial.first
      while let slab = next {
        next = links.next(of: slab)
        let word = links.word(of: slab)
        precondition(word.cacheIndex == cacheIndex, "a slab of another cache")
        precondition(
          word.inUse > 0 && word.inUse < geometry.objectsPerSlab, "a slab on a wrong list")
        checkNumbers(slab, word, geometry)
        free += geometry.objectsPerSlab - word.inUse
      }
      next = cache.empty.first
      while let slab = next {
        next = links.next(of: slab)
        precondition(links.word(of: slab).inUse == 0, "an empty slab is in use")
        checkNumbers(slab, links.word(of: slab), geometry)
      }
      precondition(free == cache.freeCount, "free objects are counted wrongly")
      for cpu in 0..<cpuCount {
        let array = ObjectArray(
          start: (cpu * SlabCaches.count + cacheIndex) * ObjectArray.stride)
        precondition(arrays[array.available] <= arrays[array.limit], "an array is too full")
        for place in 0..<Int(arrays[array.available]) {
          let word = links.slab(of: arrays[array.objects + place]).word
          precondition(word.isSlab(of: cacheIndex), "an array holds what is no object")
        }
      }
    }
  }

  /// Traps unless a slab's free objects have different numbers.
  private func checkNumbers(
    _ slab: PageFrameNumber, _ word: SlabWord, _ geometry: ArrayGeometry
  ) {
    let numbers = numbers(of: slab, word, geometry)
    var seen = InlineArray<4, UInt64>(repeating: 0)
    for place in word.inUse..<geometry.objectsPerSlab {
      let number = byte(at: numbers + place)
      precondition(number < geometry.objectsPerSlab, "a number of no object")
      precondition(seen[number >> 6] & 1 << (number & 63) == 0, "an object is free twice")
      seen[number >> 6] |= 1 << (number & 63)
    }
  }

  private func checkUnits() {
    state.value.units.withLock { (lists: inout UnitLists) in
      for value in UnitListKind.small.rawValue...UnitListKind.large.rawValue {
        guard let kind = UnitListKind(rawValue: value) else { continue }
        lists[kind].checkInvariants(in: links)
        var next = lists[kind].first
        while let page = next {
          next = links.next(of: page)
          checkPage(page, kind)
        }
      }
    }
  }

  /// Traps unless a page's free blocks are in order, apart, and as many units as counted.
  private func checkPage(_ page: PageFrameNumber, _ kind: UnitListKind) {
    let word = UnitWord(raw: frames.table[page].privateWord)
    precondition(word.list == kind, "a page on a wrong list")
    var free = 0
    var end = -1
    var unit = word.first
    while unit < UnitLists.unitsPerPage {
      precondition(unit > end, "free blocks that touch or overlap")
      let length = length(unit, of: page)
      free += length
      end = unit + length
      unit = self.next(unit, of: page)
    }
    precondition(end <= UnitLists.unitsPerPage, "a free block beyond its page")
    precondition(free == word.freeCount && free > 0, "free units are counted wrongly")
  }
}
