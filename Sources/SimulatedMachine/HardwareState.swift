// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryEvents
import MemoryUnits

/// What changes in a simulated machine, besides its RAM; reached under one lock of the host.
struct HardwareState: Sendable {
  struct Processor: Sendable {
    var root: PageFrameNumber?
    var translations: TranslationCache
    /// Windows of `withBytes(of:)` that are open now.
    var openWindowCount = 0
  }

  var processors: [Processor]
  var generator: SeededGenerator
  var nanoseconds: UInt64 = 0
  /// Nested `withClockStopped`.
  var clockStops = 0
  var timer = VirtualTime.never
  var events: [MemoryEvent] = []
  var eventCount = 0
  var replay: FrameReplay
  var violations: [String] = []
  var nextWindow = 0
  var disks: SimulatedDisks

  init(_ options: SimulationOptions) {
    processors = Array(
      repeating: Processor(
        translations: TranslationCache(capacity: options.cachedTranslationCount)),
      count: options.cpuCount)
    generator = SeededGenerator(seed: options.seed)
    disks = SimulatedDisks(byteCounts: options.diskByteCounts)
    replay = FrameReplay(frameCount: options.frameCount)
  }

  /// Lets a call take its time.
  mutating func spend(_ cost: CallCost) {
    if clockStops == 0 { nanoseconds += cost.rawValue }
  }
}

/// What each call of the machine costs, in nanoseconds: fixed, so that time repeats.
enum CallCost: UInt64 {
  case look = 1
  case record = 20
  case window = 30
  case walk = 40
  case flush = 150
  case activate = 200
  case switchContext = 400
  case submit = 600
}
