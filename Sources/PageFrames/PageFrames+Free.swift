// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryEvents
import MemoryUnits

extension PageFrames {
  /// Gives a block back.
  ///
  /// Linux: `__free_pages()`, `free_unref_page()`.
  ///
  /// - Precondition: it was allocated with this order, nothing maps it and nobody else holds it.
  /// - Complexity: O(1) mostly.
  /// - Context: any; never sleeps; takes list and zone locks.
  @inline(__always)  // For single frames, as `allocate`.
  public func free(_ block: consuming FrameBlock) {
    let order = block.order
    giveBack(block.surrender(), order)
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
  /// - Parameter frame: the first of its block.
  /// - Precondition: as for `retain`.
  /// - Returns: true if it was freed.
  @discardableResult
  public func release(_ frame: PageFrameNumber) -> Bool {
    let references = table[frame].references
    precondition(references > 0, "release of a frame that nobody holds")
    if references > 1 {
      table[frame].references = references - 1
      return false
    }
    giveBack(frame, table[frame].order)
    return true
  }

  /// Lets many blocks go at once, with one turn of the CPU's lock. Linux: `folios_put_refs()`.
  ///
  /// What the CPU's lists have no room for goes to its zone, neighbours together.
  ///
  /// - Precondition: as for `release`, of each.
  public func release(_ blocks: Span<PageFrameNumber>) {
    let (state, table, machine) = (state, table, machine)
    let cpu = Int(machine.currentCPU.value)
    state.value.cpus[cpu].withLock { (lists: inout CPUFrameLists) in
      var place = 0
      while place < blocks.count {
        let first = blocks[place]
        let descriptor = table[first]
        precondition(descriptor.references > 0, "release of a frame that nobody holds")
        if descriptor.references > 1 {
          table[first].references = descriptor.references - 1
          place &+= 1
        } else if lists.zones[descriptor.zone.index].hasRoom(for: descriptor.order) {
          giveBack(first, descriptor.order, to: &lists, table, machine)
          place &+= 1
        } else {
          place = giveBack(blocks, from: place, to: descriptor.zone)
        }
      }
    }
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
    checkOwned(head, order)
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
    let (state, table, machine) = (state, table, machine)
    state.value.cpus[Int(machine.currentCPU.value)].withLock { (lists: inout CPUFrameLists) in
      giveBack(first, .zero, to: &lists, table, machine)
    }
  }

  @inline(never)  // Out of the fast path's registers.
  private func giveBackBlock(_ first: PageFrameNumber, _ order: Order) {
    let (state, table, machine) = (state, table, machine)
    state.value.cpus[Int(machine.currentCPU.value)].withLock { (lists: inout CPUFrameLists) in
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
    let descriptor = table[first]
    checkOwned(descriptor, order)
    // Before it can be taken by another CPU, so that the log has them in this order.
    machine.record(MemoryEvent(.frameFreed, detail: UInt16(order.value), frame: first.value))
    let zone = descriptor.zone
    guard order <= CPUZoneLists.largestOrder,
      let list = CPUZoneLists.list(order, ofPageBlock: pageBlocks.number(of: first))
    else { return giveBackLarge(first, order, zone) }
    if lists.zones[zone.index].push(first, order, list, zone, in: table) {
      let batch = Int(lists.zones[zone.index].batch)
      drain(&lists.zones[zone.index], of: zone.index, batch, from: list)
    }
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
          checkOwned(table[last], order)
          machine.record(
            MemoryEvent(.frameFreed, detail: UInt16(order.value), frame: last.value))
          table[last] = FrameDescriptor(.free, zone: zone)
          count &+= 1
          place &+= 1
        } while place < blocks.count && blocks[place].value == last.value &+ step
          && (blocks[place].value ^ first.value) &>> PageBlocks.shift == 0
          && table[blocks[place]].order == order && isLast(blocks[place], of: zone, table)
        lists.free(FrameRun(first: min(first, last), order: order, count: count), in: table)
      } while place < blocks.count && isLast(blocks[place], of: zone, table)
      return place
    }
  }

  /// Whether a block is of a zone, and only one holds it.
  @inline(__always)
  private func isLast(_ block: PageFrameNumber, of zone: ZoneKind, _ table: FrameTable) -> Bool {
    table[block].references == 1 && table[block].zone == zone
  }

  private func giveBackLarge(_ first: PageFrameNumber, _ order: Order, _ zone: ZoneKind) {
    table[first] = FrameDescriptor(.free, zone: zone)
    state.value.zones[zone.index].lists.withLock { (lists: inout BuddyLists) in
      lists.free(first, order, in: table)
    }
  }

  /// A bad free would corrupt memory: it stops the machine.
  private func checkOwned(_ descriptor: FrameDescriptor, _ order: Order) {
    // By number, since this is the fast path: the kinds below are `reserved` and `free`.
    let least = FrameDescriptor.pack(.plain, order)
    precondition(
      descriptor.kindAndOrder &- least <= 0xF &- FrameKind.plain.rawValue,
      "free of a frame that is not used, or of a part of a block")
    precondition(descriptor.references == 1, "free of a frame that others hold")
    precondition(descriptor.mappings == 0, "free of a frame that is mapped")
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
    state.value.zones[zone].lists.withLock { (lists: inout BuddyLists) in
      var left = frameCount
      var list = firstList
      while left > 0 && cpuLists.frameCount > 0 {
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
