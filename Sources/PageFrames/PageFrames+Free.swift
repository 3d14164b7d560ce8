// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryEvents
import MemoryUnits

extension PageFrames {
  /// Gives a block back.
  ///
  /// Linux: `__free_pages()`, `free_unref_page()`.
  ///
  /// What was not allocated with this order, is mapped or held by others, is reported as a
  /// `FrameFault` and stays as it is.
  ///
  /// - Complexity: O(1) mostly.
  /// - Context: any; never sleeps; takes list and zone locks.
  @inline(__always)  // For single frames, as `allocate`.
  public func free(_ block: consuming FrameBlock) {
    let order = block.order
    giveBack(block.surrender(), order)
  }

  /// Gives frames of the object heap back, from which its last object is gone: by whatever other
  /// way they are freed, that is reported, and they stay.
  ///
  /// - Context: as `free(_:)`. Linux: `__free_slab()`.
  public func freeSlab(_ block: consuming FrameBlock) {
    if table[block.first].kind == .slab { table[block.first].kind = .plain }
    free(block)
  }

  /// Gives a single frame back that holds zeros alone: who asks for such a one next need not
  /// clear it. What is reported is as by `free(_:)`.
  ///
  /// Linux: `quicklist_free()`, of page tables, until 5.3.
  ///
  /// - Precondition: its bytes are zero, and stay so: nothing writes to it by an old translation.
  /// - Context: as `free(_:)`.
  public func freeZeroed(_ block: consuming FrameBlock) {
    precondition(block.order == .zero, "a larger block is not kept as zeros")
    let first = block.surrender()
    let (table, machine) = (table, machine)
    ownLists.withLock { (lists: inout CPUFrameLists) in
      guard isOwned(table[first], .zero), !state.value.debugging.watchesFrames,
        pageBlocks.number(of: first) < Mobility.requestCount
      else { return giveBack(first, .zero, to: &lists, table, machine) }
      machine.record(MemoryEvent(.frameFreed, frame: first.value, value: 1))
      let zone = table[first].zoneIndex
      if lists.zones[zone].push(first, .zero, CPUZoneLists.zeroedList, in: table) {
        drainBatch(&lists.zones[zone], of: zone)
      }
    }
  }

  /// Holds a block once more. Linux: `get_page()`.
  ///
  /// - Precondition: somebody holds it already; holders of one block have a common lock.
  @inline(__always)
  public func retain(_ frame: PageFrameNumber) {
    precondition(table[frame].references > 0, "retain of a frame that nobody holds")
    table[frame].references += 1
  }

  /// Lets a block go, and frees it when nobody else holds it. Linux: `put_page()`.
  ///
  /// What nobody holds is reported as a `FrameFault`, as by `free(_:)`.
  ///
  /// - Parameter frame: the first of its block.
  /// - Precondition: as for `retain`.
  /// - Returns: true if it was freed.
  @discardableResult
  public func release(_ frame: PageFrameNumber) -> Bool {
    let references = table.contains(frame) ? table[frame].references : 0
    guard references == 1 else {
      if references > 1 {
        table[frame].references = references - 1
      } else {
        reportFree(frame, .zero)
      }
      return false
    }
    giveBack(frame, table[frame].order)
    return true
  }

  /// Lets many blocks go at once, with one turn of the CPU's lock. Linux: `folios_put_refs()`.
  ///
  /// What the CPU's lists have no room for goes to its zone where neighbours follow each other.
  /// The others wait for theirs in the lists, however many they are, until `trimCPULists`.
  ///
  /// - Precondition: as for `release`, of each.
  public func release(_ blocks: Span<PageFrameNumber>) {
    guard !state.value.debugging.watchesFrames else {
      for place in 0..<blocks.count { release(blocks[place]) }
      return
    }
    let (table, machine) = (table, machine)
    ownLists.withLock { (lists: inout CPUFrameLists) in
      var place = 0
      while true {
        place = putSingles(blocks, from: place, in: &lists, table, machine)
        if place >= blocks.count { return }
        let first = blocks[place]
        let (order, zone) = (table[first].order, table[first].zone)
        if lists.zones[zone.index].hasRoom(for: order) || !isOwned(table[first], order) {
          _ = put(first, order, in: &lists, table, machine)
          place &+= 1
        } else {
          place = giveBack(blocks, from: place, to: zone)
        }
      }
    }
  }

  /// Lets blocks go that others hold too, and puts single frames into the CPU's lists, up to a
  /// block that is to go another way: a larger one, one that there is no list for, or neighbours
  /// without room.
  ///
  /// - Returns: the place of that block, or the end.
  /// - Precondition: frames are not watched.
  /// - Context: the CPU's lists are locked.
  @inline(never)  // With registers of its own: a page of a scattered munmap is 30 more inlined.
  private func putSingles(
    _ blocks: Span<PageFrameNumber>, from start: Int, in lists: inout CPUFrameLists,
    _ table: FrameTable, _ machine: M
  ) -> Int {
    let pageBlocks = pageBlocks
    var place = start
    while true {
      while place < blocks.count, table[blocks[place]].references > 1 {
        table[blocks[place]].references &-= 1
        place &+= 1
      }
      if place >= blocks.count { return place }
      let (zone, number) = (table[blocks[place]].zoneIndex, pageBlocks.number(of: blocks[place]))
      let word = UInt16(truncatingIfNeeded: zone &<< Int(FrameFlags.zoneShift))
      guard let list = CPUZoneLists.list(.zero, ofPageBlock: number) else { return place }
      // What has no neighbour goes to the list in any case.
      let limit = isNextToNext(blocks, place) ? lists.zones[zone].roomForMany : blocks.count
      let end = min(blocks.count, place &+ limit)
      let count = lists.zones[zone].push(in: list) { (stack: inout FrameStack) in
        let first = place
        while place < end {
          let frame = blocks[place]
          guard isOwned(table[frame], .zero), table[frame].zoneIndex == zone,
            pageBlocks.number(of: frame) == number
          else { break }
          machine.record(MemoryEvent(.frameFreed, frame: frame.value))
          stack.push(frame, .zero, zoneOf: word, in: table)
          place &+= 1
        }
        return place &- first
      }
      if count == 0 { return place }
    }
  }

  /// Gives back what is too much in this CPU's lists, after `release` of many.
  ///
  /// - Complexity: O(blocks given back).
  public func trimCPULists() {
    ownLists.withLock { (lists: inout CPUFrameLists) in
      for zone in 0..<ZoneKind.count {
        let excess = lists.zones[zone].excess
        // What waits is movable nearly always.
        drain(&lists.zones[zone], of: zone, excess, from: CPUZoneLists.list(.zero, .movable))
      }
    }
  }

  @inline(__always)
  private func isNextToNext(_ blocks: Span<PageFrameNumber>, _ place: Int) -> Bool {
    guard place &+ 1 < blocks.count else { return false }
    // One more or one less; two blocks are never the same.
    return blocks[place &+ 1].value &- blocks[place].value &+ 1 <= 2
  }

  /// Cuts a block into single frames, each allocated like the whole and held once.
  ///
  /// Linux: `split_page()`.
  ///
  /// - Returns: the first; each frame of the block is to be adopted or released by itself.
  /// - Precondition: nothing maps it and nobody else holds it.
  public func split(_ block: consuming FrameBlock) -> PageFrameNumber {
    let order = block.order
    let first = block.surrender()
    let head = table[first]
    precondition(isOwned(head, order), "split of a block that is not one's own")
    if state.value.debugging.watchesFrames { freeGuards(after: first, order) }
    machine.record(MemoryEvent(.blockSplit, detail: UInt16(order.value), frame: first.value))
    for index in 0..<order.pageCount.value {
      var single = FrameDescriptor(head.kind, zone: head.zone)
      single.references = 1
      table[first + PageCount(index)] = single
    }
    return first
  }

  /// Gives all blocks in the CPUs' lists back to their zones. Linux: `drain_all_pages()`.
  public func drainCPULists() {
    for cpu in 0..<state.value.cpuCount {
      state.value.cpus[cpu].withLock { (lists: inout CPUFrameLists) in
        for zone in 0..<ZoneKind.count {
          drain(&lists.zones[zone], of: zone, lists.zones[zone].frameCount, from: 0)
        }
      }
    }
  }

  @inline(__always)  // For single frames, as `allocate`.
  private func giveBack(_ first: PageFrameNumber, _ order: Order) {
    guard order == .zero else { return giveBackBlock(first, order) }
    let (table, machine) = (table, machine)
    ownLists.withLock { (lists: inout CPUFrameLists) in
      giveBack(first, .zero, to: &lists, table, machine)
    }
  }

  @inline(never)  // Out of the fast path's registers.
  private func giveBackBlock(_ first: PageFrameNumber, _ order: Order) {
    let (table, machine) = (table, machine)
    ownLists.withLock { (lists: inout CPUFrameLists) in
      giveBack(first, order, to: &lists, table, machine)
    }
  }

  /// - Parameters: table and machine are this allocator's, looked up once.
  /// - Context: the CPU's lists are locked.
  @inline(__always)
  private func giveBack(
    _ first: PageFrameNumber, _ order: Order, to lists: inout CPUFrameLists, _ table: FrameTable,
    _ machine: M
  ) {
    guard let zone = put(first, order, in: &lists, table, machine) else { return }
    drainBatch(&lists.zones[zone], of: zone)
  }

  /// Puts a block into a CPU's lists, or into its zone where there is no list for it; reports
  /// what cannot be freed so.
  ///
  /// - Returns: the zone's number, where there are so many of it that a batch should go back.
  @inline(__always)
  private func put(
    _ first: PageFrameNumber, _ order: Order, in lists: inout CPUFrameLists, _ table: FrameTable,
    _ machine: M
  ) -> Int? {
    guard table.contains(first), isOwned(table[first], order) else {
      reportFree(first, order)
      return nil
    }
    guard !state.value.debugging.watchesFrames else {
      giveBackWatched(first, order, table[first].zone)
      return nil
    }
    // Before it can be taken by another CPU, so that the log has them in this order.
    machine.record(MemoryEvent(.frameFreed, detail: UInt16(order.value), frame: first.value))
    guard order <= CPUZoneLists.largestOrder,
      let list = CPUZoneLists.list(order, ofPageBlock: pageBlocks.number(of: first))
    else {
      giveBackLarge(first, order, table[first].zone)
      return nil
    }
    let zone = table[first].zoneIndex
    return lists.zones[zone].push(first, order, list, in: table) ? zone : nil
  }

  /// Gives blocks of one zone back to it, past the CPU's lists.
  ///
  /// - Returns: the place of the first block that is of another zone, or that others hold.
  /// - Context: the CPU's lists are locked; takes the zone lock.
  @inline(never)  // As `drain`.
  private func giveBack(
    _ blocks: Span<PageFrameNumber>, from start: Int, to zone: ZoneKind
  ) -> Int {
    let (table, machine) = (table, machine)
    return state.value.zones[zone.index].lists.withLock { (lists: inout BuddyLists) -> Int in
      var place = start
      repeat {
        let (first, order) = (blocks[place], table[blocks[place]].order)
        let size = UInt32(order.pageCount.value)
        let isUpwards = place &+ 1 < blocks.count && blocks[place &+ 1] > first
        let step = isUpwards ? size : 0 &- size
        var (last, count) = (first, 0)
        repeat {
          last = blocks[place]
          machine.record(
            MemoryEvent(.frameFreed, detail: UInt16(order.value), frame: last.value))
          table[last] = FrameDescriptor(.free, zone: zone)
          count &+= 1
          place &+= 1
        } while place < blocks.count && blocks[place].value == last.value &+ step
          && (blocks[place].value ^ first.value) &>> PageBlocks.shift == 0
          && isLast(blocks[place], of: zone, table) && table[blocks[place]].order == order
        lists.freeHidden(
          FrameRun(first: min(first, last), order: order, count: count), in: table)
      } while place < blocks.count && isLast(blocks[place], of: zone, table)
      return place
    }
  }

  /// Whether a block is of a zone, and only one holds it.
  @inline(__always)
  private func isLast(_ block: PageFrameNumber, of zone: ZoneKind, _ table: FrameTable) -> Bool {
    let descriptor = table[block]
    return descriptor.zone == zone && isOwned(descriptor, descriptor.order)
  }

  func giveBackLarge(_ first: PageFrameNumber, _ order: Order, _ zone: ZoneKind) {
    table[first] = FrameDescriptor(.free, zone: zone)
    state.value.zones[zone.index].lists.withLock { (lists: inout BuddyLists) in
      lists.free(first, order, in: table)
    }
  }

  /// Whether a block is in use, of this order, of one holder alone, and holds no objects.
  @inline(__always)  // The fast path's three questions.
  private func isOwned(_ descriptor: FrameDescriptor, _ order: Order) -> Bool {
    // By number, once the lowest bit is changed: `slab`, `reserved` and `free` are lowest then.
    let least = FrameKind.plain.rawValue ^ 1
    return (descriptor.kindAndOrder ^ 1) &- (least | order.value << 4) <= 0xF &- least
      && descriptor.references == 1 && descriptor.mappings == 0
  }

  /// Gives a batch of a CPU's blocks back. Linux: `free_frozen_page_commit()`.
  @inline(never)  // As `drain`.
  private func drainBatch(_ cpuLists: inout CPUZoneLists, of zone: Int) {
    let list = cpuLists.nextToDrain()
    drain(&cpuLists, of: zone, Int(cpuLists.batch), from: list)
  }

  /// Moves blocks, the oldest first, from a CPU's lists to their zone, beginning with one list.
  ///
  /// Linux: `free_pcppages_bulk()`.
  ///
  /// - Context: the CPU's lists are locked; takes the zone lock.
  @inline(never)  // Out of the fast path's registers: a pair is 142 instructions so, 238 inlined.
  private func drain(
    _ cpuLists: inout CPUZoneLists, of zone: Int, _ frameCount: Int, from firstList: Int
  ) {
    guard frameCount > 0 else { return }
    // Where most go, whole lists do, which is cheaper by the block.
    let isMost = frameCount > cpuLists.frameCount / 2
    state.value.zones[zone].lists.withLock { (lists: inout BuddyLists) in
      var left = frameCount
      var list = firstList
      while left > 0 && cpuLists.frameCount > 0 {
        if isMost {
          var runs = cpuLists.takeAll(list, in: table)
          left -= runs.frameCount
          while let run = runs.pop(in: table) { lists.freeHidden(run, in: table) }
        }
        let order = CPUZoneLists.order(ofList: list)
        while left > 0,
          let run = cpuLists.popOldestRun(
            list, atMost: max(left >> Int(order.value), 1), in: table)
        {
          left -= run.frameCount
          lists.free(run, in: table)
        }
        list = (list + 1) % CPUZoneLists.listCount
      }
    }
  }
}
