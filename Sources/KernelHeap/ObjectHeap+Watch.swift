// SPDX-License-Identifier: Apache-2.0

import IntrusiveStructures
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames

/// What a heap that was asked to knows beside its objects.
struct HeapWatch: BitwiseCopyable {
  var options: HeapOptions
  /// The process that runs. Linux: `current->pid` in `struct track`.
  var process: UInt32 = 0
  var faultCount = 0
  var lastFault: HeapFault?
}

/// Allocations and frees where something is watched: each takes its slab alone, without lists.
///
/// Linux: `alloc_debug_processing()`, `free_debug_processing()`.
extension ObjectHeap {
  /// Whether objects are watched, or fail on purpose.
  public var isWatched: Bool { state.value.isWatched }

  var watch: Resident<HeapWatch> { state.value.watch }

  /// The misuses that were found so far.
  public var faultCount: Int { watch.value.faultCount }

  /// The last of them.
  public var lastFault: HeapFault? { watch.value.lastFault }

  /// Says who runs from now on, for whoever asks later whose an object is.
  public func setProcess(_ process: UInt32) { watch.value.process = process }

  /// Keeps, counts and logs a misuse.
  func report(_ fault: HeapFault) {
    watch.value.lastFault = fault
    watch.value.faultCount += 1
    machine.record(fault.event)
  }

  /// Throws if this allocation is to fail. Linux: `should_failslab()`.
  func refuseIfInjected(
    _ size: Int, _ urgency: FrameRequest.Urgency
  ) throws(AllocationError) {
    guard isWatched, urgency == .normal else { return }
    let fails = state.value.failures.withLock { (failures: inout FailureInjection) in
      failures.shouldFail(size: size)
    }
    if fails { throw .injected }
  }

  /// Where the parts of a cache's objects are, from its name at the first allocation on.
  private func layout(_ cacheIndex: Int, _ size: Int) -> WatchedLayout {
    let flags = HeapDebugging(rawValue: state.value.flags[cacheIndex])
    return WatchedLayout(
      flags, byteCount: (size + 7) & ~7, alignment: alignment(of: cacheIndex))
  }

  func allocateWatched(
    _ cacheIndex: Int, _ name: StaticString, _ size: Int, _ urgency: FrameRequest.Urgency,
    _ place: CallPlace
  ) throws(AllocationError) -> UInt32 {
    try refuseIfInjected(size, urgency)
    let options = watch.value.options
    let plan = caches[cacheIndex].withLock { (cache: inout SlabCache) in cache.plan }
    let keepsBytes = plan?.constructs ?? false
    let isSelected = !options.debugging.isEmpty && options.selects(name) && !keepsBytes
    state.value.flags[cacheIndex] = isSelected ? options.debugging.rawValue : 0
    state.value.sizes[cacheIndex] = UInt32(size)
    let layout = layout(cacheIndex, size)
    let start: UInt32
    switch design {
    case .slub: start = try takeAlone(cacheIndex, name, layout, urgency)
    case .slab:
      start = try takeFromArray(cacheIndex, name, layout.total, urgency, NoConstructor.self)
    case .slob: start = try takeUnits(cacheIndex, layout.total, urgency)
    }
    if layout.flags.isEmpty { return start }
    let object = start + UInt32(layout.front >> 3)
    let bytes = part(of: object, layout)
    // Pages that are cut at will hold their free blocks' lengths in freed objects.
    let before = bytes.load(UInt32.self, at: layout.front + layout.state)
    if design != .slob && before == WatchedLayout.free { checkFree(object, cacheIndex, layout) }
    fillZones(bytes, layout, WatchedLayout.activeZone)
    bytes.store(WatchedLayout.live, at: layout.front + layout.state)
    store(place, layout.allocator, bytes, layout)
    return object
  }

  func freeWatched(_ object: UInt32, _ cacheIndex: Int, _ size: Int, _ place: CallPlace) {
    if let other = otherCache(of: object, cacheIndex) {
      let its = layout(other, watchedByteCount(other))
      return report(fault(.wrongCache, object, other, its))
    }
    let layout = layout(cacheIndex, size)
    let start = object - UInt32(layout.front >> 3)
    if layout.flags.isEmpty { return giveAlone(start, cacheIndex, layout) }
    if let kind = misuse(object, start, cacheIndex, layout) {
      return report(fault(kind, object, cacheIndex, layout))
    }
    let bytes = part(of: object, layout)
    checkZones(object, cacheIndex, layout, WatchedLayout.activeZone)
    if layout.flags.contains(.poison) {
      let whole = bytes.part(from: layout.front, byteCount: layout.byteCount)
      whole.fill(WatchedLayout.freeByte)
      whole.store(WatchedLayout.lastFreeByte, at: layout.byteCount - 1)
    }
    fillZones(bytes, layout, WatchedLayout.inactiveZone)
    bytes.store(WatchedLayout.free, at: layout.front + layout.state)
    store(place, layout.freer, bytes, layout)
    giveAlone(start, cacheIndex, layout)
  }

  private func giveAlone(_ start: UInt32, _ cacheIndex: Int, _ layout: WatchedLayout) {
    switch design {
    case .slub: putAlone(start, cacheIndex)
    case .slab: putInArray(start, cacheIndex)
    case .slob: giveUnits(start, cacheIndex, layout.total)
    }
  }

  /// What is wrong with a free, if anything is. Linux: `free_consistency_checks()`.
  private func misuse(
    _ object: UInt32, _ start: UInt32, _ cacheIndex: Int, _ layout: WatchedLayout
  ) -> HeapFault.Kind? {
    let frame = SlabLinks.frame(of: start)
    guard frames.table.contains(frame) else { return .notOwned }
    if design == .slob {
      guard frames.table[frame].kind == .slab else { return .notOwned }
    } else {
      let (slab, word) = links.slab(of: start)
      guard frames.table[slab].kind == .slab else { return .notOwned }
      let offset = -colourByteCount(word) + Int(start &- SlabLinks.start(of: slab)) << 3
      if offset % layout.total != 0 { return .insideObject }
    }
    let said = part(of: object, layout).load(UInt32.self, at: layout.front + layout.state)
    if said == WatchedLayout.live { return nil }
    return said == WatchedLayout.free ? .freedTwice : .notOwned
  }

  /// The cache of the slab that an object lies in, if that is another than its free says.
  private func otherCache(of object: UInt32, _ cacheIndex: Int) -> Int? {
    let frame = SlabLinks.frame(of: object)
    guard design != .slob, frames.table.contains(frame) else { return nil }
    let (slab, word) = links.slab(of: object)
    guard frames.table[slab].kind == .slab, word.cacheIndex != cacheIndex else { return nil }
    return word.cacheIndex
  }

  /// What lies before a slab's first object.
  private func colourByteCount(_ word: SlabWord) -> Int {
    caches[word.cacheIndex].withLock { (cache: inout SlabCache) in
      cache.arrays.map { word.colour * $0.colourByteCount } ?? 0
    }
  }

  /// All of an object, what is around it too.
  private func part(of object: UInt32, _ layout: WatchedLayout) -> MemoryBlock {
    let start = PhysicalAddress(UInt64(object) << 3 - UInt64(layout.front))
    return machine.directMap.block(at: start, byteCount: ByteCount(UInt64(layout.total)))
  }

  private func fillZones(_ bytes: MemoryBlock, _ layout: WatchedLayout, _ byte: UInt8) {
    guard layout.flags.contains(.redZones) else { return }
    bytes.part(from: 0, byteCount: layout.front).fill(byte)
    bytes.part(from: layout.front + layout.rearZone, byteCount: 8).fill(byte)
  }

  private func store(
    _ place: CallPlace, _ offset: Int, _ bytes: MemoryBlock, _ layout: WatchedLayout
  ) {
    guard layout.flags.contains(.owners) else { return }
    let owner = ObjectOwner(place: place, process: watch.value.process, time: machine.now)
    bytes.store(owner.place.file, at: layout.front + offset)
    bytes.store(owner.place.line, at: layout.front + offset + 8)
    bytes.store(owner.process, at: layout.front + offset + 12)
    bytes.store(owner.time, at: layout.front + offset + 16)
  }

  private func owner(_ offset: Int, _ bytes: MemoryBlock, _ layout: WatchedLayout) -> ObjectOwner? {
    guard layout.flags.contains(.owners) else { return nil }
    let place = layout.front + offset
    guard bytes.load(UInt32.self, at: place + 8) != 0 else { return nil }
    return ObjectOwner(
      place: CallPlace(
        bytes.load(SourceFile.self, at: place), bytes.load(UInt32.self, at: place + 8)),
      process: bytes.load(UInt32.self, at: place + 12),
      time: bytes.load(VirtualTime.self, at: place + 16))
  }

  private func fault(
    _ kind: HeapFault.Kind, _ object: UInt32, _ cacheIndex: Int, _ layout: WatchedLayout,
    offset: Int = 0, found: UInt8 = 0, expected: UInt8 = 0
  ) -> HeapFault {
    let name = caches[cacheIndex].withLock { (cache: inout SlabCache) in cache.name }
    // Of an address that is no object of the cache nobody can be told.
    let isObject = kind != .notOwned && kind != .insideObject
    let bytes = isObject ? part(of: object, layout) : nil
    return HeapFault(
      kind, cacheIndex: cacheIndex, cacheName: name,
      object: PhysicalAddress(UInt64(object) << 3), offset: offset, found: found,
      expected: expected, allocator: bytes.flatMap { owner(layout.allocator, $0, layout) },
      freer: bytes.flatMap { owner(layout.freer, $0, layout) })
  }

  /// Reports the first byte of the zones that is not as it was left, and mends them.
  private func checkZones(
    _ object: UInt32, _ cacheIndex: Int, _ layout: WatchedLayout, _ byte: UInt8
  ) {
    guard layout.flags.contains(.redZones) else { return }
    let bytes = part(of: object, layout)
    for offset in 0..<layout.front + 8 {
      let place = offset < layout.front ? offset : offset + layout.byteCount
      let found = bytes.load(UInt8.self, at: place)
      if found == byte { continue }
      report(
        fault(
          offset < layout.front ? .writtenBefore : .writtenAfter, object, cacheIndex, layout,
          offset: place - layout.front, found: found, expected: byte))
      return fillZones(bytes, layout, byte)
    }
  }

  /// Reports what was written to a free object. Linux: `check_object()`.
  private func checkFree(_ object: UInt32, _ cacheIndex: Int, _ layout: WatchedLayout) {
    checkZones(object, cacheIndex, layout, WatchedLayout.inactiveZone)
    guard layout.flags.contains(.poison) else { return }
    let bytes = part(of: object, layout)
    for offset in 0..<layout.byteCount {
      let isLast = offset == layout.byteCount - 1
      let expected = isLast ? WatchedLayout.lastFreeByte : WatchedLayout.freeByte
      let found = bytes.load(UInt8.self, at: layout.front + offset)
      if found == expected { continue }
      return report(
        fault(
          .writtenWhileFree, object, cacheIndex, layout, offset: offset, found: found,
          expected: expected))
    }
  }

  /// Reports a free of what is no object; 0 where no cache is known.
  func reportFree(_ address: PhysicalAddress, _ kind: HeapFault.Kind) {
    report(HeapFault(kind, cacheIndex: 0, cacheName: "", object: address))
  }

  /// Visits all objects that are watched and that nobody has freed, and looks at them.
  ///
  /// Linux: `list_slab_objects()`, /sys/kernel/debug/slab/*/alloc_traces.
  ///
  /// - Complexity: O(frames + objects).
  /// - Context: no other CPU is in the heap.
  public func visitLive(_ body: (HeapFault) -> Void) {
    guard isWatched, design != .slob else { return }
    for number in 0..<frames.table.count {
      let slab = PageFrameNumber(UInt32(number))
      guard frames.table[slab].kind == .slab else { continue }
      let word = links.word(of: slab)
      let size = watchedByteCount(word.cacheIndex)
      let layout = layout(word.cacheIndex, size)
      guard word.isSlab, !layout.flags.isEmpty else { continue }
      let end = Int(frames.table[slab].order.pageCount.bytes.value)
      var place = colourByteCount(word)
      while place + layout.total <= end {
        let object = SlabLinks.start(of: slab) + UInt32((place + layout.front) >> 3)
        let said = part(of: object, layout).load(UInt32.self, at: layout.front + layout.state)
        if said == WatchedLayout.live { body(fault(.leaked, object, word.cacheIndex, layout)) }
        place += layout.total
      }
    }
  }

  /// Reports every object that is still in use, as a heap's end is.
  ///
  /// - Returns: how many there are.
  public func reportLeaks() -> Int {
    var count = 0
    visitLive { fault in
      report(fault)
      count += 1
    }
    return count
  }

  /// What objects of a watched cache were asked to hold.
  private func watchedByteCount(_ cacheIndex: Int) -> Int { Int(state.value.sizes[cacheIndex]) }
}

// The design `slub` without lists

extension ObjectHeap {
  /// Takes one object of a slab. Linux: `alloc_single_from_partial()`.
  private func takeAlone(
    _ cacheIndex: Int, _ name: StaticString, _ layout: WatchedLayout,
    _ urgency: FrameRequest.Urgency
  ) throws(AllocationError) -> UInt32 {
    let link = layout.flags.isEmpty ? nil : layout.front + layout.link
    let geometry = prepareAlone(cacheIndex, name, layout.total, link, layout.alignment)
    while true {
      let found = caches[cacheIndex].withLock { (cache: inout SlabCache) -> UInt32? in
        guard let slab = cache.partial.first else { return nil }
        let word = links.word(of: slab)
        let object = word.firstFree(in: slab)
        let next = freeLink(of: object, UInt32(geometry.freeLinkOffset))
        links.table[slab].privateWord = word.taking(next: next, in: slab).raw
        if next == 0 { cache.partial.remove(slab, in: links) }
        cache.freeCount -= 1
        return object
      }
      if let found { return found }
      let made = try makeSlab(cacheIndex, geometry, urgency, NoConstructor.self)
      giveBack(made.first, cacheIndex)
    }
  }

  /// Gives one object back to its slab.
  private func putAlone(_ object: UInt32, _ cacheIndex: Int) {
    let found = caches[cacheIndex].withLock { (cache: inout SlabCache) in cache.geometry }
    guard let geometry = found else {
      return reportFree(PhysicalAddress(UInt64(object) << 3), .notOwned)
    }
    setFreeLink(of: object, UInt32(geometry.freeLinkOffset), to: 0)
    giveBack(object, cacheIndex)
  }

  private func prepareAlone(
    _ cacheIndex: Int, _ name: StaticString, _ total: Int, _ link: Int?, _ alignment: Int
  ) -> SlabGeometry {
    caches[cacheIndex].withLock { (cache: inout SlabCache) -> SlabGeometry in
      if let known = cache.geometry {
        check(cache, name, total)
        return known
      }
      let geometry = SlabGeometry(
        watchedByteCount: (total + alignment - 1) & ~(alignment - 1), cpuCount: cpuCount,
        freeLinkOffset: link)
      cache.name = name
      cache.byteCount = total
      cache.geometry = geometry
      return geometry
    }
  }
}
