// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryEvents
import MemoryUnits
import PageTableFormats
import Synchronization

/// Everything that a simulated machine is made of; `SimulatedMachine` is the handle to it.
///
/// Each piece of state has a lock of the host, so that bodies may run on parallel threads.
final class SimulatedHardware<Format: PageTableFormat>: Sendable {
  let options: SimulationOptions
  let memory: PhysicalMemory
  let state: Mutex<HardwareState>
  let tasks: Mutex<TaskTable<Format>>

  init(_ options: SimulationOptions) {
    self.options = options
    memory = PhysicalMemory(
      frameCount: options.frameCount, directFrameCount: options.directMapFrameCount,
      channelBytes: ChannelLayout.byteCount)
    state = Mutex(HardwareState(options))
    tasks = Mutex(TaskTable())
    if options.initialContent == .garbage { fillWithGarbage() }
  }

  /// Ends the threads of all tasks and gives RAM back to the host.
  func tearDown() {
    tasks.withLock { tasks in
      for record in tasks.records.values { record.abandon() }
      tasks = TaskTable()
    }
    memory.close()
  }

  /// Notes that the kernel under test did what no kernel may do.
  func violate(_ state: inout HardwareState, _ reason: @autoclosure () -> String) {
    switch options.violationResponse {
    case .trap: fatalError("simulated machine: \(reason())")
    case .collect: state.violations.append(reason())
    case .ignore: break
    }
  }

  func record(_ event: MemoryEvent) {
    let freed: Range<UInt32>? = state.withLock { state in
      state.spend(.record)
      var event = event
      event.time = state.nanoseconds
      state.eventCount += 1
      if options.eventStorage == .kept { state.events.append(event) }
      return check(event, &state)
    }
    guard let freed else { return }
    if event.value == 1 { return checkZeros(PageFrameNumber(event.frame)) }
    guard options.freedFrames == .poisoned else { return }
    for frame in freed { poison(PageFrameNumber(frame)) }
  }

  /// Applies a frame event to the replay, and returns the frames that it freed.
  private func check(_ event: MemoryEvent, _ state: inout HardwareState) -> Range<UInt32>? {
    guard (10...20).contains(event.kind), options.violationResponse != .ignore else {
      return nil
    }
    if let contradiction = state.replay.apply(event) {
      violate(&state, contradiction.description)
      return nil
    }
    guard event.kind == EventKind.frameFreed.rawValue else { return nil }
    let freed = event.frame..<event.frame + (1 << UInt32(event.detail & 0xFF))
    for (index, processor) in state.processors.enumerated() {
      if processor.translations.reachesFromUser(freed) {
        violate(&state, "frame \(event.frame) is freed while CPU \(index) still caches it")
      }
      if let root = processor.root, freed.contains(root.value) {
        violate(&state, "frame \(event.frame) is freed while it is the root of CPU \(index)")
      }
    }
    return freed
  }

  /// A frame that is given back as zeros stays what it is.
  private func checkZeros(_ frame: PageFrameNumber) {
    let first = Int(frame.address.value)
    for offset in stride(from: first, to: first + Int(PageSize.base.bytes), by: 8)
    where memory.all.load(UInt64.self, at: offset) != 0 {
      state.withLock { state in
        violate(&state, "frame \(frame.value) is freed as zeros and is none")
      }
      return
    }
  }

  private func poison(_ frame: PageFrameNumber) {
    let block = memory.all
    let first = Int(frame.address.value)
    for offset in stride(from: first, to: first + Int(PageSize.base.bytes), by: 8) {
      block.store(0xDEAD_BEEF_DEAD_BEEF as UInt64, at: offset)
    }
  }

  private func fillWithGarbage() {
    var generator = SeededGenerator(seed: ~options.seed)
    let block = memory.all
    for offset in stride(from: 0, to: memory.byteCount, by: 8) {
      block.store(generator.next(), at: offset)
    }
  }
}
