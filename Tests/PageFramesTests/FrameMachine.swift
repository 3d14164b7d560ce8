// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryEvents
import MemoryUnits
import PageFrames
import PageTableFormats
import SimulatedMachine

typealias TestMachine = SimulatedMachine<X8664Format>

/// A simulated machine with its page allocator, as most of these tests want it.
struct FrameMachine {
  let machine: TestMachine
  let frames: PageFrames<TestMachine>

  init(
    frameCount: Int, cpuCount: Int = 1, zones: ZoneLayout = .x86_64,
    directMapFrameCount: Int? = nil, initialContent: SimulationOptions.InitialContent = .zeroed,
    minimumFreeKibibytes: Int? = nil, reserved: [Range<Int>] = [],
    grouping: MobilityGrouping = .byMobility,
    violations: SimulationOptions.ViolationResponse = .trap,
    eventStorage: SimulationOptions.EventStorage = .kept
  ) throws {
    machine = TestMachine(
      SimulationOptions(
        frameCount: frameCount, directMapFrameCount: directMapFrameCount, cpuCount: cpuCount,
        initialContent: initialContent, violationResponse: violations,
        eventStorage: eventStorage))
    var memory = BootMemory(limit: machine.directMap.limit)
    memory.add(from: PhysicalAddress(0), ByteCount(UInt64(frameCount) * 4096))
    for range in reserved {
      memory.reserve(
        from: PhysicalAddress(UInt64(range.lowerBound) * 4096),
        ByteCount(UInt64(range.count) * 4096))
    }
    frames = try PageFrames(machine: machine, memory: &memory, zones: zones, cpuCount: cpuCount)
    frames.takeOver(&memory, grouping: grouping)
    if let minimumFreeKibibytes { frames.setMarks(minimumFreeKibibytes: minimumFreeKibibytes) }
  }

  /// All frames that nobody uses.
  var free: Int { frames.freePageCount.value + frames.cachedPageCount.value }

  /// Allocates single frames until there are none, as numbers.
  func exhaust(_ request: FrameRequest = FrameRequest()) -> [PageFrameNumber] {
    var taken: [PageFrameNumber] = []
    while true {
      do {
        taken.append(try frames.allocate(request).surrender())
      } catch { return taken }
    }
  }

  func free(_ taken: [PageFrameNumber], _ order: Order = .zero) {
    for frame in taken { frames.free(.adopt(frame, order)) }
  }

  /// Compares the frame table with what the events alone say.
  ///
  /// - Returns: the first frame that differs.
  func firstDifferenceFromEvents() -> Int? {
    let states = machine.replay.states
    for (number, state) in states.enumerated() {
      let frame = PageFrameNumber(UInt32(number))
      guard frames.table.contains(frame) else { continue }
      let descriptor = frames.table[frame]
      // The inside of an allocated block is told by its head.
      if state.kind != .free && state.kind != .reserved && state.blockOrder == nil {
        let head = frames.table.head(of: frame)
        if head == frame || frames.table[head].kind != state.kind { return number }
        continue
      }
      let orderAgrees = state.blockOrder.map { $0 == descriptor.order.value } ?? true
      if descriptor.kind != state.kind || descriptor.mappings != state.mappings
        || descriptor.owner != state.owner || descriptor.index != state.index || !orderAgrees
      {
        return number
      }
    }
    return nil
  }
}
