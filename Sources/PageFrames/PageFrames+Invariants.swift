// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryEvents
import MemoryUnits

/// Something that must hold and does not.
public struct BrokenInvariant: Error, Sendable {
  public let frame: PageFrameNumber
  public let reason: StaticString
}

extension PageFrames {
  /// Checks that each frame has exactly one state, and that lists, links and counts say the same.
  ///
  /// - Context: no CPU allocates or frees meanwhile.
  /// - Complexity: O(frames).
  public func checkInvariants() throws(BrokenInvariant) {
    var free = PerZone()
    var cached = PerZone()
    var managed = PerZone()
    var frame = PageFrameNumber(0)
    while Int(frame.value) < table.count {
      let descriptor = table[frame]
      guard descriptor.isHead else {
        throw BrokenInvariant(frame: frame, reason: "a free frame that is on no list")
      }
      try checkBlock(frame, descriptor)
      let length = descriptor.order.pageCount.value
      if descriptor.kind == .free {
        if descriptor.isListed { free[descriptor.zone] += length }
        if descriptor.isCached { cached[descriptor.zone] += length }
      }
      if descriptor.kind != .reserved { managed[descriptor.zone] += length }
      frame = frame + PageCount(length)
    }
    for index in 0..<ZoneKind.count {
      try checkZone(ZoneKind(bits: UInt16(index)), free, cached, managed)
    }
  }

  private func checkBlock(
    _ frame: PageFrameNumber, _ descriptor: FrameDescriptor
  ) throws(BrokenInvariant) {
    let order = descriptor.order
    guard frame.isAligned(to: order), Int(frame.value) + order.pageCount.value <= table.count else {
      throw BrokenInvariant(frame: frame, reason: "a block that is not aligned or not in RAM")
    }
    for index in 1..<max(order.pageCount.value, 1) {
      let inside = frame + PageCount(index)
      guard !table[inside].isHead, table[inside].zone == descriptor.zone else {
        throw BrokenInvariant(frame: inside, reason: "a block inside a block, or in two zones")
      }
    }
    guard descriptor.kind == .free else {
      if descriptor.kind != .reserved && descriptor.references == 0 {
        throw BrokenInvariant(frame: frame, reason: "a frame in use that nobody holds")
      }
      if descriptor.isListed || descriptor.isCached {
        throw BrokenInvariant(frame: frame, reason: "a frame in use on a list of free ones")
      }
      return
    }
    guard descriptor.references == 0, descriptor.mappings == 0, descriptor.owner == 0 else {
      throw BrokenInvariant(frame: frame, reason: "a free frame that somebody holds")
    }
    let buddy = frame.buddy(order)
    guard order < .max, table.contains(buddy) else { return }
    let (one, other) = (pageBlocks.mobility(of: frame), pageBlocks.mobility(of: buddy))
    guard one == other || one.isMergeable && other.isMergeable else { return }
    if descriptor.isFreeBlock(order, descriptor.zone)
      && table[buddy].isFreeBlock(order, descriptor.zone)
    {
      throw BrokenInvariant(frame: frame, reason: "two free buddies that were not merged")
    }
  }

  private func checkZone(
    _ kind: ZoneKind, _ free: PerZone, _ cached: PerZone, _ managed: PerZone
  ) throws(BrokenInvariant) {
    let zone = state.value.zones[kind.index]
    guard zone.managed.value == managed[kind], state.value.policy.managed[kind] == managed[kind]
    else { throw BrokenInvariant(frame: zone.first, reason: "a zone's frames are miscounted") }
    let listed = try zone.lists.withLock { (lists: inout BuddyLists) throws(BrokenInvariant) in
      try lists.checkInvariants(in: table)
      guard lists.highAtomicPageCount == pageBlocks.highAtomicPageCount(from: zone) else {
        throw BrokenInvariant(frame: zone.first, reason: "kept page blocks are miscounted")
      }
      return lists.freePageCount.value + lists.isolatedCount.value
    }
    guard listed == free[kind] else {
      throw BrokenInvariant(frame: zone.first, reason: "a zone's free frames are miscounted")
    }
    var kept = 0
    for cpu in 0..<state.value.cpuCount {
      kept += try state.value.cpus[cpu].withLock {
        (lists: inout CPUFrameLists) throws(BrokenInvariant) in
        try lists.zones[kind.index].checkInvariants(kind, in: table)
        try checkZeros(lists.zones[kind.index].list(CPUZoneLists.zeroedList))
        return lists.zones[kind.index].frameCount
      }
    }
    guard kept == cached[kind] else {
      throw BrokenInvariant(frame: zone.first, reason: "a CPU's free frames are miscounted")
    }
  }
}

extension PageFrames {
  private func checkZeros(_ list: FrameStack) throws(BrokenInvariant) {
    var next = list.first
    while next != 0 {
      let frame = PageFrameNumber(next)
      let sum = machine.withBytes(of: frame) { (bytes: MemoryBlock) -> UInt64 in
        var sum: UInt64 = 0
        for word in 0..<bytes.byteCount / 8 { sum |= bytes.load(UInt64.self, at: word * 8) }
        return sum
      }
      guard sum == 0 else {
        throw BrokenInvariant(frame: frame, reason: "a frame kept as zeros is none")
      }
      next = table[frame].next
    }
  }
}

extension BuddyLists {
  /// - Context: zone lock held.
  func checkInvariants(in table: FrameTable) throws(BrokenInvariant) {
    var (total, contiguous, isolated, kept) = (0, 0, 0, 0)
    for value in 0..<UInt8(Order.count) {
      for type in 0..<UInt8(Mobility.count) {
        guard let mobility = Mobility(rawValue: type) else { continue }
        let order = Order(value)
        let list = list(order, mobility)
        try list.checkInvariants(in: table)
        var frame = list.first
        while frame != 0 {
          let block = PageFrameNumber(frame)
          guard table[block].isFreeBlock(order, zone), pageBlocks.mobility(of: block) == mobility
          else { throw BrokenInvariant(frame: block, reason: "a block in a wrong buddy list") }
          frame = table[block].next
        }
        let count = list.count(in: table) * order.pageCount.value
        if mobility == .isolated { isolated += count } else { total += count }
        if mobility == .contiguous { contiguous += count }
        if mobility == .highAtomic { kept += count }
      }
    }
    guard total == freePageCount.value, contiguous == freeContiguousCount.value,
      isolated == isolatedCount.value, kept == counts.highAtomic.value
    else {
      throw BrokenInvariant(frame: PageFrameNumber(0), reason: "buddy lists are miscounted")
    }
  }
}

extension CPUZoneLists {
  /// - Context: the CPU's lists are locked.
  func checkInvariants(_ zone: ZoneKind, in table: FrameTable) throws(BrokenInvariant) {
    var total = 0
    for index in 0..<Self.listCount {
      let order = Self.order(ofList: index)
      try list(index).checkInvariants(in: table)
      var frame = list(index).first
      while frame != 0 {
        let descriptor = table[PageFrameNumber(frame)]
        guard descriptor.kind == .free, descriptor.isCached, descriptor.order == order,
          descriptor.zone == zone
        else {
          throw BrokenInvariant(
            frame: PageFrameNumber(frame), reason: "a block in a wrong list of a CPU")
        }
        frame = descriptor.next
      }
      total += list(index).count(in: table) * order.pageCount.value
    }
    guard total == frameCount else {
      throw BrokenInvariant(frame: PageFrameNumber(0), reason: "a CPU's lists are miscounted")
    }
  }
}

extension FrameList {
  /// Checks that the links agree in both directions.
  func checkInvariants(in table: FrameTable) throws(BrokenInvariant) {
    var previous: UInt32 = 0
    var frame = first
    var length = 0
    while frame != 0 {
      guard table[PageFrameNumber(frame)].previous == previous, length < table.count else {
        throw BrokenInvariant(frame: PageFrameNumber(frame), reason: "a list's links disagree")
      }
      previous = frame
      frame = table[PageFrameNumber(frame)].next
      length += 1
    }
    guard previous == last else {
      throw BrokenInvariant(frame: PageFrameNumber(last), reason: "a list ends elsewhere")
    }
  }
}

extension FrameStack {
  /// Checks that the links agree in both directions.
  func checkInvariants(in table: FrameTable) throws(BrokenInvariant) {
    var (before, frame, length) = (UInt32(0), first, 0)
    while frame != 0 {
      let number = PageFrameNumber(frame)
      guard before == 0 || table[number].previous == before, contains(number, in: table),
        length < table.count
      else { throw BrokenInvariant(frame: number, reason: "a stack's links disagree") }
      before = frame
      frame = table[number].next
      length += 1
    }
    guard last == (before == 0 ? nil : PageFrameNumber(before)) else {
      throw BrokenInvariant(frame: PageFrameNumber(before), reason: "a stack ends elsewhere")
    }
  }
}
