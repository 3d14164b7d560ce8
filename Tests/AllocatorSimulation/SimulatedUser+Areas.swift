// SPDX-License-Identifier: Apache-2.0

import KernelMappings
import Machine
import MemoryEvents
import MemoryUnits
import PageFrames
import PageTables
import SimulatedMachine

// Frames in a row of any number, areas of the kernel's addresses, rights of the direct map.

extension SimulatedUser {
  struct Range {
    var frames: FrameRange
    var stamp: UInt64
  }

  /// An area with memory of its own, or one that shows frames of a block of its own.
  struct Area {
    var address: VirtualAddress
    var pageCount: Int
    var stamp: UInt64
    var shown: PageFrameNumber?
  }

  var areaFrameCount: Int {
    areas.reduce(0) { $0 + ($1.shown == nil ? $1.pageCount : 1) }
  }

  // Ranges

  func allocateRange() {
    let count = PageCount(1 + generator.number(below: generator.oneIn(10) ? 200 : 20))
    let stamp = generator.next()
    let range =
      hasKernelLock && generator.oneIn(8)
      ? takeRange(count)
      : attempt { () throws(AllocationError) in
        try kernel.frames.allocate(exactly: count, FrameRequest(kind: .dma)).surrender()
      }
    guard let range else { return }
    expect(range.count == count, "a range of another length")
    for index in 0..<range.count.value {
      let frame = range.first + PageCount(index)
      let descriptor = kernel.frames.table[frame]
      expect(
        descriptor.kind == .dma && descriptor.order == .zero && descriptor.references == 1,
        "frame \(frame.value) of a range")
      kernel.machine.withBytes(of: frame) { $0.store(stamp &+ UInt64(index), at: 8) }
    }
    ranges.append(Range(frames: range, stamp: stamp))
  }

  /// Frames at a given place, if nobody has one of them.
  private func takeRange(_ count: PageCount) -> FrameRange? {
    let limit = kernel.frames.table.count - count.value - 1
    let first = PageFrameNumber(UInt32(1 + generator.number(below: limit)))
    let range = FrameRange(first: first, count: count)
    do throws(ContiguousError) {
      try kernel.frames.isolate(range)
    } catch {
      return nil
    }
    defer { kernel.frames.endIsolation(of: range) }
    kernel.frames.drainCPULists()
    do throws(ContiguousError) {
      return try kernel.frames.takeIsolated(range, kind: .dma).surrender()
    } catch {
      return nil
    }
  }

  func freeRange() {
    guard let range = takeRandom(from: &ranges) else { return }
    for index in 0..<range.frames.count.value {
      let frame = range.frames.first + PageCount(index)
      let word = kernel.machine.withBytes(of: frame) { $0.load(UInt64.self, at: 8) }
      expect(word == range.stamp &+ UInt64(index), "frame \(frame.value) of a range")
    }
    kernel.frames.free(.adopt(range.frames))
  }

  // Areas

  func useAreas(_ getsMore: Bool) {
    guard hasKernelLock else { return lookAtObject() }
    switch generator.number(below: 12) {
    case 0: changeRights()
    case 1: kernel.mappings.areas.purge()
    case 2: getsMore ? showFrame() : freeArea()
    default: getsMore ? allocateArea() : freeArea()
    }
  }

  private func allocateArea() {
    let pageCount = 1 + generator.number(below: generator.oneIn(10) ? 100 : 12)
    let stamp = generator.next()
    let address = attempt { () throws(AllocationError) in
      try kernel.mappings.areas.allocate(PageCount(pageCount).bytes)
    }
    guard let address else { return }
    let area = Area(address: address, pageCount: pageCount, stamp: stamp)
    forEachFrame(of: area) { frame, index in
      kernel.machine.withBytes(of: frame) { bytes in
        expect(bytes.load(UInt64.self, at: 512) == 0, "new memory of an area")
        bytes.store(stamp &+ UInt64(index), at: 512)
      }
    }
    let behind = address + PageCount(pageCount).bytes
    expect(kernel.mappings.areas.translate(behind) == nil, "the page behind an area")
    areas.append(area)
  }

  /// Shows one frame twice, which stays the area's when its block is let go.
  private func showFrame() {
    let stamp = generator.next()
    let request = FrameRequest(kind: .plain)
    let frame = attempt { () throws(AllocationError) in
      try kernel.frames.allocate(request).surrender()
    }
    guard let frame else { return }
    let address = attempt { () throws(AllocationError) in
      try kernel.mappings.areas.map([frame, frame].span)
    }
    if let address {
      kernel.machine.withBytes(of: frame) { $0.store(stamp, at: 512) }
      areas.append(Area(address: address, pageCount: 2, stamp: stamp, shown: frame))
    }
    _ = kernel.frames.release(frame)
  }

  func freeArea() {
    guard let area = takeRandom(from: &areas) else { return }
    forEachFrame(of: area) { frame, index in
      let word = kernel.machine.withBytes(of: frame) { $0.load(UInt64.self, at: 512) }
      let expected = area.shown == nil ? area.stamp &+ UInt64(index) : area.stamp
      expect(word == expected, "page \(index) of an area")
    }
    do throws(VirtualAreaError) {
      if area.shown == nil {
        try kernel.mappings.areas.free(area.address)
      } else {
        try kernel.mappings.areas.unmap(area.address)
      }
    } catch {
      expect(false, "an area that was had is not there")
    }
  }

  private func forEachFrame(of area: Area, _ body: (PageFrameNumber, Int) -> Void) {
    for index in 0..<area.pageCount {
      let place = area.address + PageCount(index).bytes
      if let physical = kernel.mappings.areas.translate(place) {
        body(physical.frame, index)
      } else {
        expect(false, "page \(index) of an area is not mapped")
      }
    }
  }

  /// Takes the right to write from a frame for a while.
  private func changeRights() {
    guard let block = blocks.last, block.frame.address < kernel.machine.directMap.limit else {
      return
    }
    let address = kernel.mappings.address(of: block.frame.address)
    do throws(DirectMapError) {
      try kernel.mappings.protectDirectMap(from: block.frame, PageCount(1), .read)
      let leaf = kernel.mappings.tables.translate(kernel.mappings.root, address)?.leaf
      expect(leaf?.protection.contains(.write) == false, "a right that was taken")
      try kernel.mappings.protectDirectMap(from: block.frame, PageCount(1), .readWrite)
    } catch {
      expect(error == .outOfMemory, "rights of the direct map")
    }
  }
}
