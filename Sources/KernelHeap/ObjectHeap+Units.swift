// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames

/// The design `slob`: pages cut as requests come, to the byte, with one lock for all.
extension ObjectHeap {
  private var units: Locked<UnitLists> { state.value.units }

  /// What stands before a block of bytes: its size. Linux 6.1: `ARCH_KMALLOC_MINALIGN`.
  static var unitHeaderByteCount: Int { 8 }

  /// Takes an object of a cache. Linux 6.1: `slob_alloc_node()`.
  func takeUnits(
    _ cacheIndex: Int, _ size: Int, _ urgency: FrameRequest.Urgency
  ) throws(AllocationError) -> UInt32 {
    let pageBytes = Int(PageSize.base.bytes)
    let object: UInt32
    if size < pageBytes {
      object = try cut(size, alignment: alignment(of: cacheIndex), header: 0, urgency)
    } else {
      let order = Order(holding: ByteCount(UInt64(size)).pagesRoundedUp) ?? .max
      let slab = try allocateFrames(order, orElse: order, urgency, .unmovable)
      frames.table[slab].privateWord = 0
      units.withLock { (lists: inout UnitLists) in lists.pageCount += order.pageCount }
      object = SlabLinks.start(of: slab)
    }
    lists[listIndex(cacheIndex)].liveCount &+= 1
    return object
  }

  /// Takes bytes with their size before them; nil where that needs a whole page.
  ///
  /// A size that is a power of two is aligned to itself.
  func allocateUnits(
    _ byteCount: Int, _ urgency: FrameRequest.Urgency
  ) throws(AllocationError) -> (object: UInt32, byteCount: Int)? {
    let header = Self.unitHeaderByteCount
    guard byteCount + header < Int(PageSize.base.bytes) else { return nil }
    let isPower = byteCount & (byteCount - 1) == 0
    let alignment = isPower ? max(byteCount, header) : header
    let start = try cut(byteCount + header, alignment: alignment, header: header, urgency)
    // SAFETY: the block was just cut for the caller.
    unsafe address(start).storeBytes(of: UInt32(byteCount), as: UInt32.self)
    lists[listIndex(SizeClass(holding: byteCount).cacheIndex)].liveCount &+= 1
    return (start + 1, UnitLists.unitCount(byteCount) * UnitLists.unitByteCount)
  }

  /// What a block of bytes holds, from the size before it. Linux 6.1: `ksize()` of mm/slob.c.
  func unitByteCount(of object: UInt32) -> Int {
    // SAFETY: a block's header is in front of it.
    let asked = unsafe address(object - 1).load(as: UInt32.self)
    precondition(asked > 0 && asked < UInt32(PageSize.base.bytes), "no heap block")
    return UnitLists.unitCount(Int(asked)) * UnitLists.unitByteCount
  }

  /// Gives an object or bytes back. Linux 6.1: `kmem_cache_free()`, `kfree()` of mm/slob.c.
  func giveUnits(_ object: UInt32, _ cacheIndex: Int, _ size: Int) {
    lists[listIndex(cacheIndex)].liveCount &-= 1
    if cacheIndex >= SlabCaches.typeCount && cacheIndex < SlabCaches.madeIndex {
      // What is in front of them knows better than who watches, whose sizes are rounded.
      return join(object - 1, unitByteCount(of: object) + Self.unitHeaderByteCount)
    }
    if size < Int(PageSize.base.bytes) { return join(object, size) }
    let slab = SlabLinks.frame(of: object)
    let order = frames.table[slab].order
    units.withLock { (lists: inout UnitLists) in lists.pageCount -= order.pageCount }
    freeFrames(slab, order)
  }

  /// Finds a block: from the page where the last one was found on, and in it the first that is
  /// large enough. Linux 6.1: `slob_alloc()`.
  ///
  /// - Throws: `outOfMemory`.
  private func cut(
    _ byteCount: Int, alignment: Int, header: Int, _ urgency: FrameRequest.Urgency
  ) throws(AllocationError) -> UInt32 {
    let kind = UnitListKind(byteCount: byteCount)
    let count = UnitLists.unitCount(byteCount)
    let found = units.withLock { (lists: inout UnitLists) -> UInt32? in
      var next = lists[kind].first
      while let page = next {
        next = links.next(of: page)
        guard UnitWord(raw: frames.table[page].privateWord).freeCount >= count,
          let unit = cut(page, count, alignment, header)
        else { continue }
        if UnitWord(raw: frames.table[page].privateWord).freeCount == 0 {
          lists[kind].remove(page, in: links)
        } else {
          lists[kind].rotate(toFront: page, in: links)
        }
        return SlabLinks.start(of: page) + UInt32(unit >> 2)
      }
      return nil
    }
    if let found { return found }
    let page = try allocateFrames(.zero, orElse: .zero, urgency, .unmovable)
    return units.withLock { (lists: inout UnitLists) -> UInt32 in
      lists.pageCount += PageCount(1)
      setBlock(0, of: page, UnitLists.unitsPerPage, next: UnitLists.unitsPerPage)
      frames.table[page].privateWord =
        UnitWord(freeCount: UnitLists.unitsPerPage, first: 0, list: kind).raw
      guard let unit = cut(page, count, alignment, header) else {
        preconditionFailure("an empty page is too small")
      }
      if count < UnitLists.unitsPerPage { lists[kind].pushFront(page, in: links) }
      return SlabLinks.start(of: page) + UInt32(unit >> 2)
    }
  }

  /// Cuts a block out of a page, and gives its first unit. Linux 6.1: `slob_page_alloc()`.
  private func cut(
    _ page: PageFrameNumber, _ count: Int, _ alignment: Int, _ header: Int
  ) -> Int? {
    var word = UnitWord(raw: frames.table[page].privateWord)
    var previous: Int?
    var current = word.first
    while current < UnitLists.unitsPerPage {
      let length = length(current, of: page)
      let next = next(current, of: page)
      let bytes = current * UnitLists.unitByteCount + header
      let aligned = ((bytes + alignment - 1) & ~(alignment - 1)) - header
      let skipped = aligned / UnitLists.unitByteCount - current
      guard length >= count + skipped else {
        previous = current
        current = next
        continue
      }
      let rest = length - skipped - count
      let after = rest > 0 ? current + skipped + count : next
      if rest > 0 { setBlock(after, of: page, rest, next: next) }
      if skipped > 0 {
        setBlock(current, of: page, skipped, next: after)
      } else if let previous {
        setBlock(previous, of: page, self.length(previous, of: page), next: after)
      } else {
        word.first = after
      }
      word.freeCount -= count
      frames.table[page].privateWord = word.raw
      return current + skipped
    }
    return nil
  }

  /// Puts a block among the free ones of its page, joined with those that it touches; a page
  /// that is wholly free goes back. Linux 6.1: `slob_free()`.
  private func join(_ object: UInt32, _ byteCount: Int) {
    let page = SlabLinks.frame(of: object)
    precondition(frames.table[page].kind == .slab, "free of memory that is no heap's")
    let unit = Int(object - SlabLinks.start(of: page)) << 2
    let count = UnitLists.unitCount(byteCount)
    units.withLock { (lists: inout UnitLists) in
      var word = UnitWord(raw: frames.table[page].privateWord)
      if word.freeCount + count == UnitLists.unitsPerPage {
        if word.freeCount > 0 { lists[word.list].remove(page, in: links) }
        lists.pageCount -= PageCount(1)
        return freeFrames(page, .zero)
      }
      if word.freeCount == 0 {
        setBlock(unit, of: page, count, next: UnitLists.unitsPerPage)
        word.first = unit
        word.list = UnitListKind(byteCount: byteCount)
        lists[word.list].pushFront(page, in: links)
      } else {
        insert(unit, count, into: page, &word)
      }
      word.freeCount += count
      frames.table[page].privateWord = word.raw
    }
  }

  /// Puts a block in the order of addresses.
  private func insert(
    _ unit: Int, _ count: Int, into page: PageFrameNumber, _ word: inout UnitWord
  ) {
    var previous: Int?
    var next = word.first
    while next < unit {
      previous = next
      next = self.next(next, of: page)
    }
    precondition(unit + count <= next, "free of what is free")
    var length = count
    if unit + count == next && next < UnitLists.unitsPerPage {
      length += self.length(next, of: page)
      next = self.next(next, of: page)
    }
    guard let previous else {
      setBlock(unit, of: page, length, next: next)
      word.first = unit
      return
    }
    let before = self.length(previous, of: page)
    precondition(previous + before <= unit, "free of what is free")
    if previous + before == unit {
      setBlock(previous, of: page, before + length, next: next)
    } else {
      setBlock(unit, of: page, length, next: next)
      setBlock(previous, of: page, before, next: unit)
    }
  }

  /// Linux 6.1: `slob_units()`.
  func length(_ unit: Int, of page: PageFrameNumber) -> Int {
    let value = load(unit, of: page)
    return value > 0 ? value : 1
  }

  /// Linux 6.1: `slob_next()`.
  func next(_ unit: Int, of page: PageFrameNumber) -> Int {
    let value = load(unit, of: page)
    return value < 0 ? -value : load(unit + 1, of: page)
  }

  /// Linux 6.1: `set_slob()`.
  private func setBlock(_ unit: Int, of page: PageFrameNumber, _ length: Int, next: Int) {
    if length > 1 {
      store(length, unit, of: page)
      store(next, unit + 1, of: page)
    } else {
      store(-next, unit, of: page)
    }
  }

  private func load(_ unit: Int, of page: PageFrameNumber) -> Int {
    precondition(unit >= 0 && unit < UnitLists.unitsPerPage, "a free list that was overwritten")
    // SAFETY: inside the page, as just checked, in a free block of it.
    return unsafe Int(
      address(SlabLinks.start(of: page)).load(fromByteOffset: unit << 1, as: Int16.self))
  }

  private func store(_ value: Int, _ unit: Int, of page: PageFrameNumber) {
    precondition(unit >= 0 && unit < UnitLists.unitsPerPage, "a free list that was overwritten")
    // SAFETY: as above.
    unsafe address(SlabLinks.start(of: page)).storeBytes(
      of: Int16(truncatingIfNeeded: value), toByteOffset: unit << 1, as: Int16.self)
  }
}
