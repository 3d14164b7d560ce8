// SPDX-License-Identifier: Apache-2.0

import Machine
import MemoryUnits

/// Neighbouring blocks of one order, which move between lists together.
struct FrameRun: BitwiseCopyable {
  /// The block of the lowest number.
  let first: PageFrameNumber
  let order: Order
  /// In blocks; at least one.
  let count: Int

  /// Frames from a block to the next.
  var step: UInt32 { 1 &<< UInt32(order.value) }
  var frameCount: Int { count &<< Int(order.value) }

  /// - Precondition: there are at least two.
  var withoutFirst: FrameRun {
    FrameRun(first: PageFrameNumber(first.value &+ step), order: order, count: count - 1)
  }
}

/// Runs that are on no list, until each goes to its zone: linked through their first blocks.
///
/// Those descriptors keep the next run as owner and the run's length as index meanwhile.
struct FrameRuns: BitwiseCopyable {
  private let order: Order
  private var first: UInt32 = 0
  /// Of all runs.
  private(set) var frameCount = 0

  init(_ order: Order) { self.order = order }

  /// - Parameter frameCount: of the run.
  mutating func push(_ run: PageFrameNumber, frameCount: UInt32, in table: FrameTable) {
    table[run].owner = first
    table[run].indexLow = frameCount
    first = run.value
    self.frameCount &+= Int(frameCount)
  }

  /// Takes the run that came last; its descriptors are as those of free frames again.
  mutating func pop(in table: FrameTable) -> FrameRun? {
    guard first != 0 else { return nil }
    let run = PageFrameNumber(first)
    let count = Int(table[run].indexLow) &>> Int(order.value)
    first = table[run].owner
    table[run].owner = 0
    table[run].indexLow = 0
    return FrameRun(first: run, order: order, count: count)
  }
}
