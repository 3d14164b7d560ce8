// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryEvents
import MemoryUnits

/// Patterns in free frames and guards behind blocks in use, where somebody asked for them.
extension PageFrames {
  /// Fills free frames with a pattern from now on, and looks at it before they are given again.
  ///
  /// Linux: `page_poison=1`, `init_on_free`.
  ///
  /// - Complexity: O(free frames).
  /// - Context: no CPU allocates or frees meanwhile.
  public func poisonFreeFrames() {
    drainCPULists()
    state.value.debugging.formUnion(.poison)
    visitFreeBlocks { block, order in fill(block, order.pageCount, .free) }
  }

  /// Leaves frames free behind each block of a smaller order from now on, up to that order, and
  /// looks at them when the block is freed.
  ///
  /// They are withheld from the kernel meanwhile where its map is of single pages, so that a touch
  /// is a fault; otherwise, and for devices, a write is seen by the pattern.
  ///
  /// Linux: `debug_guardpage_minorder=`.
  ///
  /// - Parameter order: blocks of this order and larger ones have no guard.
  public func guardBlocks(below order: Order) {
    drainCPULists()
    state.value.guardedOrder = order
    if order == .zero {
      state.value.debugging.subtract(.guards)
    } else {
      state.value.debugging.formUnion(.guards)
    }
  }

  /// Looks at all patterns, and reports each frame whose bytes are not as they were left.
  ///
  /// - Returns: how many such frames there are.
  /// - Complexity: O(frames).
  /// - Context: no CPU allocates or frees meanwhile.
  public func checkPatterns() -> Int {
    let before = faultCount
    if state.value.debugging.contains(.poison) {
      visitFreeBlocks { block, order in check(block, order.pageCount, .free) }
    }
    visitBlocks { block, descriptor in
      guard descriptor.isGuard else { return }
      let isWithheld = machine.setReach(of: block, descriptor.order.pageCount, .reachable)
      check(block, descriptor.order.pageCount, .guarding)
      if isWithheld { withhold(block, descriptor.order) }
    }
    return faultCount - before
  }

  /// Allocates a block where something is watched. Linux: `post_alloc_hook()`.
  func takeWatched(_ request: FrameRequest) throws(AllocationError) -> PageFrameNumber {
    let guardedOrder = state.value.guardedOrder
    if state.value.debugging.contains(.guards) && request.order < guardedOrder {
      var larger = request
      larger.order = guardedOrder
      // Without a guard rather than not at all.
      if let block = try? takeUnwatched(larger) {
        check(block, request.order.pageCount, .free)
        setGuards(after: block, request.order)
        return block
      }
    }
    let block = try takeUnwatched(request)
    check(block, request.order.pageCount, .free)
    return block
  }

  /// Gives a block back where something is watched. Linux: `free_pages_prepare()`.
  ///
  /// - Context: a CPU's lists are locked; takes the zone lock.
  @inline(never)  // Out of the fast path's registers.
  func giveBackWatched(_ first: PageFrameNumber, _ order: Order, _ zone: ZoneKind) {
    let whole = removeGuards(after: first, order)
    machine.record(MemoryEvent(.frameFreed, detail: UInt16(order.value), frame: first.value))
    if state.value.debugging.contains(.poison) { fill(first, whole.pageCount, .free) }
    giveBackLarge(first, whole, zone)
  }

  /// Frees the guards behind a block that is about to be cut.
  func freeGuards(after first: PageFrameNumber, _ order: Order) {
    let zone = table[first].zone
    let whole = removeGuards(after: first, order)
    var size = order
    while size < whole {
      let part = first + size.pageCount
      if state.value.debugging.contains(.poison) { fill(part, size.pageCount, .free) }
      giveBackLarge(part, size, zone)
      size = Order(size.value + 1)
    }
  }

  /// Makes guards of what is behind a block in one of the guarded order.
  ///
  /// Linux: `set_page_guard()` in `expand()`.
  private func setGuards(after first: PageFrameNumber, _ order: Order) {
    var size = order
    while size < state.value.guardedOrder {
      let part = first + size.pageCount
      if state.value.debugging.contains(.poison) { check(part, size.pageCount, .free) }
      fill(part, size.pageCount, .guarding)
      withhold(part, size)
      table[part].kindAndOrder = FrameDescriptor.pack(.free, size)
      // No stack's mark: a guard is in none.
      table[part].privateWord = 0
      table[part].flagsAndZone = FrameDescriptor.pack(
        FrameFlags.listed.union(.cached), table[first].zone)
      size = Order(size.value + 1)
    }
  }

  /// Ends the guards behind a block, and looks at them.
  ///
  /// Linux: `clear_page_guard()`.
  ///
  /// - Returns: the order of the block with its guards.
  private func removeGuards(after first: PageFrameNumber, _ order: Order) -> Order {
    var size = order
    while size < .max && first.buddy(size) > first && table.contains(first.buddy(size)) {
      let part = first.buddy(size)
      guard table[part].isGuard, table[part].order == size else { break }
      _ = machine.setReach(of: part, size.pageCount, .reachable)
      check(part, size.pageCount, .guarding)
      table[part].kindAndOrder = FrameDescriptor.pack(.free, .zero)
      table[part].flagsAndZone = FrameDescriptor.pack(FrameFlags(), table[first].zone)
      size = Order(size.value + 1)
    }
    return size
  }

  /// Takes a guard out of the kernel's map, if it is of single pages there.
  private func withhold(_ first: PageFrameNumber, _ order: Order) {
    _ = machine.setReach(of: first, order.pageCount, .withheld)
  }

  private func fill(_ first: PageFrameNumber, _ count: PageCount, _ pattern: FramePattern) {
    for index in 0..<count.value {
      machine.withBytes(of: first + PageCount(index)) { (bytes: MemoryBlock) in
        pattern.fill(bytes)
      }
    }
  }

  private func check(_ first: PageFrameNumber, _ count: PageCount, _ pattern: FramePattern) {
    guard pattern == .guarding || state.value.debugging.contains(.poison) else { return }
    for index in 0..<count.value {
      let frame = first + PageCount(index)
      let found = machine.withBytes(of: frame) { (bytes: MemoryBlock) in
        pattern.firstDifference(in: bytes)
      }
      guard let found else { continue }
      report(
        FrameFault(
          kind: pattern == .free ? .writtenWhileFree : .guardWritten, frame: frame,
          offset: found.offset, word: found.word))
    }
  }

  private func visitFreeBlocks(_ body: (PageFrameNumber, Order) -> Void) {
    visitBlocks { block, descriptor in
      if descriptor.isListed || descriptor.isCached { body(block, descriptor.order) }
    }
  }

  private func visitBlocks(_ body: (PageFrameNumber, FrameDescriptor) -> Void) {
    var frame = PageFrameNumber(0)
    while table.contains(frame) {
      let descriptor = table[frame]
      body(frame, descriptor)
      frame = frame + (descriptor.isHead ? descriptor.order.pageCount : PageCount(1))
    }
  }
}
