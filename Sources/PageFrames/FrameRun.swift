// SPDX-License-Identifier: Apache-2.0

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
